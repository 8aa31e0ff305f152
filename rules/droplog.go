package rules

import (
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/settings"
)

// DropLogNote says why lines that log_drops asks for may not appear, or returns nil if no
// reason is known. It does not affect protection.
func DropLogNote(cfg config.Config) *problem.Problem {
	if cfg.Firewall.LogDrops != config.LogKernel || settings.LeavesRules(cfg) || !host.LogsByLeave() {
		return nil
	}
	return &problem.Problem{
		Reason: "log-namespace",
		Error:  "log_drops: log shows lines only if the host allows it, which cannot be seen from here: this network namespace is not the host's own (LXC, nspawn and the like)",
		Remedy: "on the host: sysctl net.netfilter.nf_log_all_netns=1; or here: \"log_drops: nflog\", which ulogd reads",
	}
}
