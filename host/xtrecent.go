package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/procself"
)

// recentParameters is the folder of the module's parameters.
const recentParameters = "/sys/module/xt_recent/parameters"

// FindXTRecent reads the state of the kernel module xt_recent. It returns nil if the module is not
// loaded.
func FindXTRecent(l *probe.Look) *XTRecent {
	if _, err := os.Stat(recentParameters); err != nil {
		return nil
	}
	recentLists := filepath.Join(probe.Proc, procself.Name(), "net/xt_recent") // of this network namespace
	x := &XTRecent{Lists: map[string]int{}}
	for name, value := range map[string]*int{"ip_list_tot": &x.MaxAddrs, "ip_pkt_list_tot": &x.MaxPackets} {
		text, err := probe.ReadFile(filepath.Join(recentParameters, name))
		if err == nil {
			*value, err = strconv.Atoi(strings.TrimSpace(text))
		}
		l.Unknown("xt_recent's "+name, err, "see whether "+recentLists+" can be read")
	}
	entries, err := os.ReadDir(recentLists)
	if err != nil && !probe.Absent(err) {
		l.Unknown("the lists of xt_recent", err, "see whether "+recentLists+" can be read")
	}
	for _, e := range entries {
		text, err := probe.ReadFile(filepath.Join(recentLists, e.Name()))
		if err != nil {
			l.Unknown("xt_recent's list "+e.Name(), err, "see whether "+recentLists+" can be read")
			continue
		}
		x.Lists[e.Name()] = strings.Count(text, "\n") // one address per line
	}
	return x
}

// XTRecent is the state of the kernel module xt_recent, which remembers sources for the limits of
// the base rules.
type XTRecent struct {
	// MaxAddrs is how many addresses one list remembers (ip_list_tot).
	MaxAddrs int `json:"max_addrs"`
	// MaxPackets is how many packets of one address are remembered (ip_pkt_list_tot). 0, the
	// default, means as many as the rules ask for (net/netfilter/xt_recent.c).
	MaxPackets int `json:"max_packets"`
	// Lists is the number of addresses in each list now, by name.
	Lists map[string]int `json:"lists"`
}
