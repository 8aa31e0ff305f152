package testpoll

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// waited is how long, since the machine has booted, some task had to wait for a processor:
// the kernel's "pressure". A kernel that does not count it has always waited for no time.
func waited() time.Duration {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	return parsePressure(string(text))
}

func parsePressure(text string) time.Duration {
	some, _, _ := strings.Cut(text, "\n")
	_, total, _ := strings.Cut(some, "total=")
	us, err := strconv.ParseInt(total, 10, 64)
	if err != nil || !strings.HasPrefix(some, "some ") {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
