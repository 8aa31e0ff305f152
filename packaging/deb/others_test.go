package deb_test

import (
	"strings"
	"testing"
)

// TestSavedRules has netfilter-persistent hold saved rules that name our sets, and
// saved sets as they were then: at boot the rules are loaded, what is stale goes, and
// the host is protected before there is a network.
func TestSavedRules(t *testing.T) {
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
	p.Must("voipbl", "reload") // it is without the list from the network: nobody takes that over unasked
	p.Must("voipbl", "firewall", "apply", "--confirm", "10m", "--force")
	p.Must("voipbl", "firewall", "confirm", "--here")
	p.sh("iptables -I INPUT 2 -p tcp --dport 2222 -j ACCEPT && ipset add fail2ban-ASTERISK 5.6.0.9")
	p.Must("netfilter-persistent", "save")
	saved := p.sh("cat /etc/iptables/rules.v4 /etc/iptables/ipsets")
	for _, what := range []string{drop, "--match-set fail2ban-ASTERISK src", "-j VOIPBL-INPUT", "add voip_bl 6.6.6.6"} {
		if !strings.Contains(saved, what) {
			t.Fatalf("what is saved lacks %q:\n%s", what, saved)
		}
	}
	p.sh("echo 5.5.5.5 >/etc/voipbl/blocklist.d/mine")
	p.eventually("6.6.6.6 is no longer blocked", func() bool { return !p.succeeds("ipset", "-q", "test", "voip_bl", "6.6.6.6") })

	// whole fails unless everything is as it was.
	whole := func(t *testing.T, units ...string) {
		t.Helper()
		p := p.as(t)
		p.protected("5.5.5.5")
		p.inOrder(units...)
		if p.succeeds("ipset", "-q", "test", "voip_bl", "6.6.6.6") {
			t.Error("an entry of the saved set that no list has any more is blocked")
		}
		if rules := p.Must("iptables-save"); strings.Count(rules, "-j VOIPBL-INPUT") != 1 || strings.Count(rules, drop) != 1 {
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
		// As without ipset-persistent: only our unit makes the sets in time.
		p.Must("rm", "/etc/iptables/ipsets")
		p.Reboot()
		whole(t, "voipbl-sets.service", "netfilter-persistent.service", "voipbl.service", "network-pre.target")
		p := p.as(t)
		if rules := p.Must("iptables-save"); strings.Count(rules, "--dport 2222 -j ACCEPT") != 1 {
			t.Errorf("the saved rules were not loaded:\n%s", rules)
		}
	})
	t.Run("with a mistake", func(t *testing.T) {
		// What was in force last is in force, and the mistake is told.
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
		// What the unit is for: rules that name a set which is not there are not
		// loaded, none of them. If this ever changes, the unit is not needed.
		p.Must("systemctl", "disable", "voipbl-sets.service")
		p.Reboot()
		whole(t, "netfilter-persistent.service", "voipbl.service", "network-pre.target")
		p := p.as(t)
		if rules := p.Must("iptables-save"); strings.Contains(rules, "--dport 2222 -j ACCEPT") {
			t.Errorf("the saved rules were loaded without the sets:\n%s", rules)
		}
		p.Must("systemctl", "enable", "voipbl-sets.service")
	})
	// firewalld itself cannot be put into such a host: its unit is only named.
	for _, other := range []string{"firewalld.service", "ufw.service", "nftables.service", "netfilter-persistent.service"} {
		if after := p.unit("voipbl.service", "After"); !strings.Contains(after, other) {
			t.Errorf("voipbl.service is after %s, and not after %s", after, other)
		}
		if before := p.unit("voipbl-sets.service", "Before"); !strings.Contains(before, other) {
			t.Errorf("voipbl-sets.service is before %s, and not before %s", before, other)
		}
	}
	// Nor are PBXs there, who may not wait for the network.
	for _, other := range []string{"fail2ban.service", "asterisk.service", "freeswitch.service", "kamailio.service", "opensips.service", "network-pre.target"} {
		if before := p.unit("voipbl.service", "Before"); !strings.Contains(before, other) {
			t.Errorf("voipbl.service is before %s, and not before %s", before, other)
		}
	}
	p.apt("purge", "voipbl")
	p.noTrace()
}
