package firewall

import (
	"regexp"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// docker are the chains that Docker makes for a published port.
const docker = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s LAN ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p udp -m udp --dport 5160 -j REDIRECT --to-ports 5060
COMMIT
*filter
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d HOST ! -i docker0 -o docker0 -p udp -m udp --dport 5060 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`

// admin are an admin's own rules, with a policy.
const admin = `*mangle
-A PREROUTING -p udp -m udp --dport 5060 -j DSCP --set-dscp 0x1a
COMMIT
*raw
:tracking - [0:0]
-A PREROUTING -p udp -m udp --dport 10000:20000 -j CT --notrack
-A PREROUTING -j tracking
-A OUTPUT -p udp -m udp --sport 10000:20000 -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s HOST -m comment --comment "voip_bl \"and\" VOIPBL-INPUT, but mine" -j ACCEPT
-A INPUT -m set --match-set VOIP_BL src -j LOG --log-prefix "old voipbl: "
-A INPUT -p tcp -m tcp --dport 3306 -j REJECT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A OUTPUT -d HOST -p tcp -j REJECT --reject-with tcp-reset
COMMIT
`

// bans are fail2ban's rules in its chain for SSH, as in the published ruleset.
const bans = `*filter
:fail2ban-ssh - [0:0]
-A fail2ban-ssh -s HOST -j DROP
-A fail2ban-ssh -s TRUNK -j REJECT
-A fail2ban-ssh -j RETURN
COMMIT
`

// native are rules in native tables, which iptables does not know. If iptables-save read and restored
// them, the first would drop everything.
const native = `table inet mine {
	set friends { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }
	chain input {
		type filter hook input priority -10; policy accept;
		ip saddr { 203.0.113.66, 203.0.113.67 } drop
		ip saddr @friends counter packets 3 bytes 300 accept
	}
}
table ip voipbl { chain c { counter packets 1 bytes 2 drop; }; }
`

// ticking matches the remaining time of a set's entry.
var ticking = regexp.MustCompile(`timeout [1-9]\d*`)

// surroundings returns all that is not voipbl's, byte for byte: in both backends, in native tables and
// in sets.
func (h *host) surroundings() string {
	h.Helper()
	d := h.dumps()
	other := h.feed("", "sh", "-euc", strings.NewReplacer("B", string(h.fw.Backend.Other())).Replace(
		"iptables-B-save -c; ip6tables-B-save -c"))
	tables := h.sh("nft -a list table inet mine; nft -a list table ip voipbl")
	sets := ticking.ReplaceAllString(h.sh("ipset save"), "timeout N")
	return strings.Join([]string{foreign(d[iptables.IPv4]), foreign(d[iptables.IPv6]), dates.ReplaceAllString(other, ""), tables, sets}, "----\n")
}

// TestForeign does all that voipbl does to rules, among those of everybody else.
func TestForeign(t *testing.T) {
	onEachBackend(t, func(h *host) {
		other := string(h.fw.Backend.Other())
		h.load(docker)
		h.load(admin)
		h.load(bans)
		for _, f := range iptables.Families {
			h.feed(words[f].Replace(admin), f.Command()+"-"+other+"-restore", "-w", "20")
		}
		h.feed(native, "nft", "-f", "-")
		h.inBoth("ipset add BANS HOST timeout 0; ipset add BANS TRUNK timeout 86400; ipset add VOIP_BL HOST")
		h.seedCounters()
		before := h.surroundings()
		if !strings.Contains(before, "203.0.113.67") || !strings.Contains(before, "timeout N") || !strings.Contains(before, "-A DOCKER-USER") || strings.Count(before, "DSCP") != 4 {
			h.Fatalf("not all that was staged is there:\n%s", before)
		}
		for _, step := range []struct {
			name   string
			script string
			want   ruleset.Wanted
		}{
			{"drop", "", testrules.DropOnly().Wanted()},
			{"base", "", testrules.Full().Wanted()},
			{"everything", "", testrules.Everything().Wanted()},
			{"again", "", testrules.Everything().Wanted()},
			{"repair", "IPT -D INPUT 1; IPT -F VOIPBL-INPUT; IPT -F VOIPBL-DROP; IPT -D OUTPUT {out}", testrules.Everything().Wanted()},
			{"switch to prerouting", "", testrules.AtPrerouting(testrules.Everything()).Wanted()},
			{"repair in prerouting", "IPT -t raw -D PREROUTING 1", testrules.AtPrerouting(testrules.Everything()).Wanted()},
			{"switch back", "", testrules.Full().Wanted()},
			{"drop alone", "", testrules.DropOnly().Wanted()},
			{"removal", "", ruleset.Wanted{}},
		} {
			h.inBoth(strings.ReplaceAll(step.script, "{out}", outHook))
			done := h.apply(step.want)
			if len(Changes(done.Plans)) == 0 != (step.name == "again") {
				h.Errorf("%s: changes %v", step.name, linesOf(done.Plans))
			}
			if diff := diff(before, h.surroundings()); diff != "" {
				h.Fatalf("%s: what others have is not as it was (-before +after):\n%s", step.name, diff)
			}
		}
		if d := h.dumps(); foreign(d[iptables.IPv4]) != d[iptables.IPv4] || foreign(d[iptables.IPv6]) != d[iptables.IPv6] {
			h.Errorf("something of ours is left:\n%s", d)
		}
	})
}
