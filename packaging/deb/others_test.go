package deb_test

import (
	"strings"
	"testing"
)

// TestSavedRules has netfilter-persistent with saved rules that name voipbl's sets, and older saved
// sets. At boot the rules are loaded, stale entries are removed, and the host is protected before
// there is a network.
func TestSavedRules(t *testing.T) {
	t.Parallel()
	p := boot(t, "iptables-persistent", "ipset-persistent")
	p.copyDebs()
	p.Must("systemctl", "enable", "--now", "netfilter-persistent.service")
	p.apt("install", deb(older))
	p.sh(`cat >/etc/voipbl/voipbl.yaml <<'E'
feeds: [{name: local, path: /etc/voipbl/blocklist.d}]
firewall: {base: true, local_networks: [192.168.1.0/24]}
E
printf '5.5.5.5\n6.6.6.6\n' >/etc/voipbl/blocklist.d/mine`)
	p.awaitProtected("6.6.6.6")
	p.sh("voipbl reload || [ $? -eq 3 ]") // the base rules wait for an apply; it is without the list from the network: nobody takes that over unasked
	p.Must("voipbl", "firewall", "apply", "--confirm", "10m", "--force")
	p.Must("voipbl", "firewall", "confirm", "--here")
	p.sh("iptables -I INPUT -p tcp --dport 2222 -j ACCEPT && ipset add fail2ban-ASTERISK 5.6.0.9")
	// As fail2ban's actions leave them, for a jail that has banned somebody.
	p.sh(`ipset create own-voipbl-asterisk hash:ip timeout 0 && ipset create own-voipbl-asterisk6 hash:ip family inet6 timeout 0 && ipset create fail2ban-UNKNOWN hash:ip timeout 0
iptables -N f2bv-voipbl-asterisk && iptables -A f2bv-voipbl-asterisk -p udp -m multiport --dports 5060:5061 -m set --match-set own-voipbl-asterisk src -j REJECT
ip6tables -N f2bv-voipbl-asterisk && ip6tables -A f2bv-voipbl-asterisk -p udp -m multiport --dports 5060:5061 -m set --match-set own-voipbl-asterisk6 src -j REJECT
iptables -I INPUT -j f2bv-voipbl-asterisk && ip6tables -I INPUT -j f2bv-voipbl-asterisk
iptables -A f2bv-voipbl-asterisk -p tcp -m multiport --dports 5060:5061 -m set --match-set fail2ban-UNKNOWN src -j REJECT`)
	p.Must("netfilter-persistent", "save")
	const dropBeforeBase = "-A PREROUTING -m set --match-set voip_bl src"
	saved := p.sh("cat /etc/iptables/rules.v4 /etc/iptables/ipsets")
	for _, what := range []string{dropBeforeBase, "--match-set fail2ban-ASTERISK src", "-j VOIPBL-INPUT", "add voip_bl 6.6.6.6"} {
		if !strings.Contains(saved, what) {
			t.Fatalf("what is saved lacks %q:\n%s", what, saved)
		}
	}
	p.sh("echo 5.5.5.5 >/etc/voipbl/blocklist.d/mine")
	p.eventually("6.6.6.6 is no longer blocked", func() bool { return !p.succeeds("ipset", "-q", "test", "voip_bl", "6.6.6.6") })

	// whole fails unless everything is as it was, and the saved rules were loaded.
	loaded := true
	whole := func(t *testing.T, units ...string) {
		t.Helper()
		p := p.as(t)
		p.protected("5.5.5.5")
		p.inOrder(units...)
		if p.succeeds("ipset", "-q", "test", "voip_bl", "6.6.6.6") {
			t.Error("an entry of the saved set that no list has any more is blocked")
		}
		for save, sets := range map[string][]string{"iptables-save": {"own-voipbl-asterisk ", "fail2ban-UNKNOWN "}, "ip6tables-save": {"own-voipbl-asterisk6 "}} {
			for _, set := range sets {
				if rules := p.Must(save); loaded && !strings.Contains(rules, "--match-set "+set+"src -j REJECT") {
					t.Errorf("the saved rules that name %swere not loaded:\n%s", set, rules)
				}
			}
		}
		if rules := p.Must("iptables-save"); strings.Count(rules, "-j VOIPBL-INPUT") != 1 || strings.Count(rules, dropBeforeBase) != 1 || strings.Contains(rules, drop) {
			t.Errorf("the rules are not in force once:\n%s", rules)
		}
	}
	t.Run("with their sets", func(t *testing.T) {
		p.Reboot()
		whole(t, "voipbl-sets.service", "netfilter-persistent.service", "voipbl.service", "network-pre.target")
		p := p.as(t)
		if rules := p.Must("iptables-save"); strings.Count(rules, "--dport 2222 -j ACCEPT") != 1 {
			t.Errorf("the saved rules were not loaded:\n%s", rules)
		}
		p.Must("ipset", "test", "fail2ban-ASTERISK", "5.6.0.9")
	})
	t.Run("without their sets", func(t *testing.T) {
		// As without ipset-persistent: only voipbl's unit creates the sets in time.
		p.Must("rm", "/etc/iptables/ipsets")
		p.Reboot()
		whole(t, "voipbl-sets.service", "netfilter-persistent.service", "voipbl.service", "network-pre.target")
		p := p.as(t)
		if rules := p.Must("iptables-save"); strings.Count(rules, "--dport 2222 -j ACCEPT") != 1 {
			t.Errorf("the saved rules were not loaded:\n%s", rules)
		}
	})
	t.Run("without base rules", func(t *testing.T) {
		// The saved rules still name the sets that base rules use.
		p := p.as(t)
		p.sh("cp /etc/voipbl/voipbl.yaml /root/base.yaml; sed -i 's/base: true/base: false/' /etc/voipbl/voipbl.yaml; voipbl reload; rm -rf /run/voipbl/*")
		p.Reboot()
		if rules := p.Must("iptables-save"); strings.Count(rules, "--dport 2222 -j ACCEPT") != 1 || !strings.Contains(rules, "--match-set own-voipbl-asterisk src -j REJECT") {
			t.Errorf("the saved rules were not loaded:\n%s", rules)
		}
		p.protected("5.5.5.5")
		p.sh("cp /root/base.yaml /etc/voipbl/voipbl.yaml; { voipbl reload || [ $? -eq 3 ]; } && voipbl firewall apply --confirm 0 --force")
	})
	t.Run("with a mistake", func(t *testing.T) {
		// The last good configuration is in force, and the mistake is reported.
		p := p.as(t)
		p.sh("cp /etc/voipbl/voipbl.yaml /root/good.yaml; echo 'alow: [9.9.9.9]' >>/etc/voipbl/voipbl.yaml")
		p.Reboot()
		whole(t, "voipbl-sets.service", "netfilter-persistent.service", "voipbl.service", "network-pre.target")
		if out, code := p.Run("voipbl", "status"); code != 3 || !strings.Contains(out, `unknown key "alow"`) {
			t.Errorf("status ends with %d:\n%s", code, out)
		}
		p.sh("cp /root/good.yaml /etc/voipbl/voipbl.yaml; voipbl reload")
		p.Must("voipbl", "firewall", "diff")
	})
	t.Run("without our unit", func(t *testing.T) {
		// Why the unit exists: if a saved rule names a missing set, no saved rule is loaded. If this
		// ever changes, the unit is not needed.
		p.Must("systemctl", "disable", "voipbl-sets.service")
		p.Reboot()
		loaded = false
		defer func() { loaded = true }()
		whole(t, "netfilter-persistent.service", "voipbl.service", "network-pre.target")
		p := p.as(t)
		if rules := p.Must("iptables-save"); strings.Contains(rules, "--dport 2222 -j ACCEPT") {
			t.Errorf("the saved rules were loaded without the sets:\n%s", rules)
		}
		p.Must("systemctl", "enable", "voipbl-sets.service")
	})
	// firewalld cannot be installed on such a host, so its unit is only named.
	for _, other := range []string{"firewalld.service", "ufw.service", "nftables.service", "netfilter-persistent.service"} {
		if after := p.unit("voipbl.service", "After"); !strings.Contains(after, other) {
			t.Errorf("voipbl.service is after %s, and not after %s", after, other)
		}
		if before := p.unit("voipbl-sets.service", "Before"); !strings.Contains(before, other) {
			t.Errorf("voipbl-sets.service is before %s, and not before %s", before, other)
		}
	}
	// Nor are PBXs installed, which must not have to wait for the network.
	for _, other := range []string{"fail2ban.service", "asterisk.service", "freeswitch.service", "kamailio.service", "opensips.service", "network-pre.target"} {
		if before := p.unit("voipbl.service", "Before"); !strings.Contains(before, other) {
			t.Errorf("voipbl.service is before %s, and not before %s", before, other)
		}
	}
	// The saved rules name what is removed, so the next boot would load none of them.
	said := p.apt("purge", "voipbl")
	for _, file := range []string{"rules.v4", "rules.v6"} {
		if strings.Count(said, "voipbl: /etc/iptables/"+file+" line ") < 2 { // before and after the files go
			t.Errorf("apt purge does not name %s:\n%s", file, said)
		}
	}
	p.noTrace()
}
