package host

import (
	"os"
	"path/filepath"
	"strings"
)

// Files of the programs that look after a firewall.
const (
	ufwConf        = "/etc/ufw/ufw.conf"
	freePBXModule  = "/var/www/html/admin/modules/firewall"
	freePBXEnabled = "/etc/asterisk/firewall.enabled" // made by its web page, asked for by its daemon
	freePBXDaemon  = "voipfirewalld"
)

// RulesAtBoot are the rules that netfilter-persistent loads at boot, of IPv4 and of IPv6.
var RulesAtBoot = [2]string{"/etc/iptables/rules.v4", "/etc/iptables/rules.v6"}

// savedRules are all that its plugins load.
var savedRules = append(RulesAtBoot[:], "/etc/iptables/ipsets")

// firewalls lists the programs that look after this host's firewall and are
// installed.
func (l *looker) firewalls() []Owner {
	owners := []Owner{}
	add := func(installed bool, o Owner) {
		if installed {
			owners = append(owners, o)
		}
	}
	// "ufw disable" leaves the unit enabled, which then does nothing.
	enabled := l.ufwEnabled()
	add(l.program("ufw") != "", Owner{"ufw", enabled, enabled && l.atBoot("ufw")})

	running := l.running("firewalld")
	add(running || l.program("firewalld") != "", Owner{"firewalld", running, l.atBoot("firewalld")})

	// FreePBX starts the daemon itself, with Asterisk.
	running = l.running(freePBXDaemon)
	add(running || l.exists(freePBXModule), Owner{"freepbx-firewall", running, l.exists(freePBXEnabled) && l.atBoot("freepbx", "asterisk")})

	// Without a saved file it starts and does nothing.
	add(l.program("netfilter-persistent") != "", Owner{
		"netfilter-persistent", l.savedRules() && l.isActive("netfilter-persistent"),
		l.atBoot("netfilter-persistent", "iptables", "ip6tables"),
	})
	add(l.hasUnit("nftables"), Owner{"nftables", l.isActive("nftables"), l.atBoot("nftables")})
	return owners
}

// HasFreePBXFirewall reports whether FreePBX's own firewall is installed below a root,
// whether or not it runs. An empty root is that of the machine.
func HasFreePBXFirewall(root string) bool {
	_, err := os.Stat(filepath.Join("/", root, freePBXModule))
	return err == nil
}

// ufwEnabled reports whether ufw.conf says that it is on.
func (l *looker) ufwEnabled() bool {
	text, err := l.read(ufwConf)
	if err != nil {
		if !absent(err) {
			l.unknown("whether ufw is on", err, "ufw status")
		}
		return false
	}
	return parseUFWEnabled(text)
}

// parseUFWEnabled reads "ENABLED=yes", which ufw's own scripts read as a shell
// does: the last one counts.
func parseUFWEnabled(text string) bool {
	on := false
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "ENABLED="); ok {
			on = strings.EqualFold(strings.Trim(v, `"'`), "yes")
		}
	}
	return on
}

// savedRules reports whether there is something to load.
func (l *looker) savedRules() bool {
	for _, name := range savedRules {
		if info, err := os.Stat(l.path(name)); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// Owner is another program that looks after this host's firewall.
type Owner struct {
	Name   string `json:"name"`    // ufw, firewalld, freepbx-firewall, netfilter-persistent, nftables
	Active bool   `json:"active"`  // in force now
	AtBoot bool   `json:"at_boot"` // systemd starts it
}
