package advise

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/survey"
)

// healthy is a host without findings: base rules, an Asterisk with a trunk and a phone, and a
// fail2ban that bans in a set of iptables.
func healthy(t *testing.T) Input {
	cfg := configOf(t, `
firewall:
  base: true
  local_networks: [192.168.1.0/24]
  trunks: [sip.example.net]
`)
	now := time.Now()
	return Input{
		Config: cfg,
		Status: &blocklist.Status{
			Protected: true,
			Sets:      []blocklist.SetStatus{{Name: "voip_bl", Exists: true, Ours: true, Entries: 9, Drops: true}, {Name: "voip_bl6", Exists: true, Ours: true}},
			Rules:     &rules.Status{Backend: "nft", Base: rules.BaseOn},
			Feeds:     []feeds.Status{{Name: "voipbl", LastSuccess: now, FetchedAt: now}},
			Agent:     &state.AgentStatus{},
		},
		Rules: []reach.KernelRules{kernel(t, firewall.NFT, true, baseRules, baseRules)},
		Facts: survey.Facts{
			Networks: []host.Network{network("eth0", "192.168.1.2/24"), network("eth0", "2001:db8::2/64")},
			Listeners: []host.Listener{
				listener("udp", 5060, "asterisk"), listener("tcp", 22, "sshd"), listener("udp", 17000, "asterisk"),
			},
			Asterisk: &asterisk.Facts{
				SIP: []host.Port{{Proto: "udp", Port: 5060}}, RTP: [2]uint16{10000, 20000},
				Logs:   []asterisk.Log{{File: "/var/log/asterisk/security.log", Levels: []string{"security"}, Jails: []string{"asterisk"}}},
				Trunks: []string{"sip.example.net"}, Contacts: []netip.Addr{netip.MustParseAddr("198.51.100.7")},
			},
			Fail2ban: &fail2ban.Facts{Running: true, Jails: []fail2ban.Jail{jail("asterisk", fail2ban.IntoSet, "f2b-a", "203.0.113.9", "2001:db8:9::9")}},
			XTRecent: &host.XTRecent{MaxAddrs: 100, Lists: map[string]int{"VOIP": 99, "mine": 100}},
			Agent:    &host.Unit{AtBoot: true},
			Logins:   logins.Records{Logind: true},
		},
		Checks: map[netip.Prefix]blocklist.CheckReport{},
	}
}

// baseRules are shortened base rules, with fail2ban's rule above them in INPUT.
var baseRules = []string{
	"INPUT -m set --match-set f2b-a src -j REJECT",
	`INPUT -m comment --comment "voipbl: the base rules, which end in DROP" -j VOIPBL-INPUT`,
	`VOIPBL-INPUT -p udp -m udp --dport 5060 -m limit --limit 6/sec -m comment --comment "voipbl: sip for everyone, not too fast" -j ACCEPT`,
	`VOIPBL-INPUT -m comment --comment "voipbl: nothing else" -j DROP`,
}

func configOf(t *testing.T, text string) config.Config {
	t.Helper()
	cfg, err := config.Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// kernel returns a backend's rules, given as "CHAIN RULE" for filter, or as "TABLE:CHAIN RULE".
func kernel(t *testing.T, b firewall.Backend, used bool, four, six []string) reach.KernelRules {
	t.Helper()
	k := reach.KernelRules{Backend: b, Used: used}
	for f, rules := range [][]string{four, six} {
		heads, bodies := map[string]string{"filter": ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"}, map[string]string{}
		for _, r := range rules {
			table, rule, found := strings.Cut(r, ":")
			if !found || strings.Contains(table, " ") {
				table, rule = "filter", r
			}
			chain, _, _ := strings.Cut(rule, " ")
			if rule == "INPUT DROP" {
				heads[table] = strings.Replace(heads[table], ":INPUT ACCEPT", ":INPUT DROP", 1)
				continue
			}
			if !strings.Contains(heads[table], ":"+chain+" ") {
				heads[table] += ":" + chain + " - [0:0]\n"
			}
			bodies[table] += "-A " + rule + "\n"
		}
		text := ""
		for table, head := range heads {
			text += "*" + table + "\n" + head + bodies[table] + "COMMIT\n"
		}
		var err error
		if k.Saved[f], err = iptables.ParseSaved(iptables.Family(f), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func network(iface, prefix string) host.Network {
	p := netip.MustParsePrefix(prefix)
	return host.Network{Interface: iface, Addr: p.Addr(), Prefix: p.Masked(), Private: p.Addr().IsPrivate()}
}

func listener(proto string, port uint16, program string) host.Listener {
	return host.Listener{Proto: proto, Addr: netip.IPv4Unspecified(), Port: port, Program: program}
}

func jail(name string, into fail2ban.Into, target string, banned ...string) fail2ban.Jail {
	j := fail2ban.Jail{Name: name, Actions: []fail2ban.Action{{Name: "it", Into: into, Target: target}}}
	for _, b := range banned {
		j.Banned = append(j.Banned, netip.MustParseAddr(b))
	}
	return j
}
