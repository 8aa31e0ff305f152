package host

import (
	"fmt"
	"os"

	"github.com/voipbl/voipbl/internal/probe"
	"golang.org/x/sys/unix"
)

// netfilterSysctls are the sysctls of the caller's own network namespace, even if a process of
// another namespace mounted /proc.
const netfilterSysctls = probe.Proc + "/sys/net/netfilter/"

// LogsByLeave reports whether the caller is certainly not in the kernel's first network namespace.
// In another one, the LOG target reaches the kernel's log only if the host allows that by
// net.netfilter.nf_log_all_netns, a setting that cannot be read there.
func LogsByLeave() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	_, loggers := os.Stat(netfilterSysctls + "nf_log")
	_, leave := os.Stat(netfilterSysctls + "nf_log_all_netns")
	return logsByLeave(unix.ByteSliceToString(name.Release[:]), loggers == nil, os.IsNotExist(leave))
}

// logsByLeave makes the decision of LogsByLeave. net/netfilter/nf_log.c creates nf_log in every
// network namespace, but (since Linux 4.11) nf_log_all_netns only in the first. If nf_log is
// missing too, /proc does not show the kernel's settings, and nothing is certain.
func logsByLeave(release string, loggers, noLeave bool) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n < 2 || major < 4 || major == 4 && minor < 11 {
		return false
	}
	return loggers && noLeave
}
