package host

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
)

// These are files of programs that manage a firewall.
const (
	ufwConf        = "/etc/ufw/ufw.conf"
	freePBXModule  = "/var/www/html/admin/modules/firewall"
	freePBXEnabled = "/etc/asterisk/firewall.enabled" // its web page creates it, its daemon checks for it
	freePBXDaemon  = "voipfirewalld"
)

// RulesAtBoot are the files of rules that netfilter-persistent loads at boot: IPv4, IPv6.
var RulesAtBoot = [2]string{"/etc/iptables/rules.v4", "/etc/iptables/rules.v6"}

// savedRules are all files that its plugins load.
var savedRules = append(RulesAtBoot[:], "/etc/iptables/ipsets")

// FindFirewalls lists the installed programs that manage this host's firewall.
func FindFirewalls(l *probe.Look) []Owner {
	owners := []Owner{}
	add := func(installed bool, o Owner) {
		if installed {
			owners = append(owners, o)
		}
	}
	// After "ufw disable" the unit is still enabled, but does nothing.
	enabled := ufwEnabled(l)
	add(l.Program("ufw") != "", Owner{"ufw", enabled, enabled && l.AtBoot("ufw")})

	running := l.Running("firewalld")
	add(running || l.Program("firewalld") != "", Owner{"firewalld", running, l.AtBoot("firewalld")})

	// FreePBX itself starts the daemon, together with Asterisk.
	running = l.Running(freePBXDaemon)
	add(running || l.Exists(freePBXModule), Owner{"freepbx-firewall", running, l.Exists(freePBXEnabled) && l.AtBoot("freepbx", "asterisk")})

	// Without a saved file the unit starts and does nothing.
	add(l.Program("netfilter-persistent") != "", Owner{
		"netfilter-persistent", hasSavedRules(l) && l.IsActive("netfilter-persistent"),
		l.AtBoot("netfilter-persistent", "iptables", "ip6tables"),
	})
	add(l.HasUnit("nftables"), Owner{"nftables", l.IsActive("nftables"), l.AtBoot("nftables")})
	return owners
}

// HasFreePBXFirewall reports whether FreePBX's own firewall is installed below a root folder,
// running or not. An empty root means the machine's own.
func HasFreePBXFirewall(root string) bool {
	_, err := os.Stat(filepath.Join("/", root, freePBXModule))
	return err == nil
}

// ufwEnabled reports whether ufw.conf enables ufw.
func ufwEnabled(l *probe.Look) bool {
	text, err := l.Read(ufwConf)
	if err != nil {
		if !probe.Absent(err) {
			l.Unknown("whether ufw is on", err, "ufw status")
		}
		return false
	}
	return parseUFWEnabled(text)
}

// parseUFWEnabled reads "ENABLED=yes" as ufw's own scripts do, which source the file: the last line
// counts.
func parseUFWEnabled(text string) bool {
	on := false
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "ENABLED="); ok {
			on = strings.EqualFold(strings.Trim(v, `"'`), "yes")
		}
	}
	return on
}

// hasSavedRules reports whether there are saved rules to load.
func hasSavedRules(l *probe.Look) bool {
	for _, name := range savedRules {
		if info, err := os.Stat(l.Path(name)); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// Owner is another program that manages this host's firewall.
type Owner struct {
	Name   string `json:"name"`    // ufw, firewalld, freepbx-firewall, netfilter-persistent, nftables
	Active bool   `json:"active"`  // in force now
	AtBoot bool   `json:"at_boot"` // systemd starts it at boot
}
