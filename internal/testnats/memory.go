package testnats

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Memory returns the server's resident memory in MB: now, and the most that this run of it has had.
func (s *Server) Memory() (now, most float64) {
	s.t.Helper()
	return MemoryOf(s.t, s.process.Pid)
}

// CPU returns the processor time that this run of the server has taken.
func (s *Server) CPU() time.Duration {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	const user = 11 // its field, behind the name in brackets, which is followed by that of the kernel's work
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks time.Duration
	for _, f := range fields[user : user+2] {
		var n time.Duration
		if _, err := fmt.Sscan(f, &n); err != nil {
			s.t.Fatal(err)
		}
		ticks += n
	}
	return ticks * time.Second / 100 // USER_HZ
}

// MemoryOf is that of any process.
func MemoryOf(t testing.TB, pid int) (now, most float64) {
	t.Helper()
	return memory(t, pid, "VmRSS"), memory(t, pid, "VmHWM")
}

// OwnMemoryOf is the present one in MB without the pages of files, such as those of the program itself, which all
// processes of one program share.
func OwnMemoryOf(t testing.TB, pid int) float64 {
	t.Helper()
	return memory(t, pid, "RssAnon")
}

func memory(t testing.TB, pid int, which string) (mb float64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, which+": %f kB", &kib); err == nil {
			mb = kib * 1024 / 1e6
		}
	}
	return mb
}
