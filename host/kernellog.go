package host

import (
	"fmt"
	"os"

	"github.com/voipbl/voipbl/internal/probe"
	"golang.org/x/sys/unix"
)

// netfilterSysctls are the sysctls of the caller's own network namespace, whatever process
// /proc was mounted by.
const netfilterSysctls = probe.Proc + "/sys/net/netfilter/"

// LogsByLeave reports whether the caller's network namespace is for certain another one than
// the kernel's first. What the target LOG writes there comes to the kernel's log only with
// leave of the host, by net.netfilter.nf_log_all_netns, which cannot be read there.
func LogsByLeave() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	_, loggers := os.Stat(netfilterSysctls + "nf_log")
	_, leave := os.Stat(netfilterSysctls + "nf_log_all_netns")
	return logsByLeave(unix.ByteSliceToString(name.Release[:]), loggers == nil, os.IsNotExist(leave))
}

// logsByLeave decides it: net/netfilter/nf_log.c makes nf_log in every network namespace,
// and since Linux 4.11 nf_log_all_netns in the first. Where nf_log is not to be seen either,
// /proc does not show what the kernel has, and nothing is known.
func logsByLeave(release string, loggers, noLeave bool) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n < 2 || major < 4 || major == 4 && minor < 11 {
		return false
	}
	return loggers && noLeave
}
