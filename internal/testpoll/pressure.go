package testpoll

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// waited returns how long, since the boot, some task had to wait for a processor: the
// kernel's "pressure". It is 0 if the kernel does not count it.
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
