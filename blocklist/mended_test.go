package blocklist

import (
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
)

// TestRemediesByTheFile: no remedy says to edit a configuration file that is not in force.
func TestRemediesByTheFile(t *testing.T) {
	const (
		ufw     = "switch off ufw: \"ufw disable\""
		table   = "let it in there too (\"nft list table inet filter\" shows the rules), or take that table out (\"nft delete table inet filter\")"
		named   = ": those that are named have no entry"
		other   = "name another list below \"feeds:\""
		sent    = "take it out: iptables-nft -t nat -D PREROUTING 1"
		names   = "write its address instead, or mend DNS"
		service = "add {name: ssh-2222, proto: tcp, ports: \"2222,80:81\", from: lan} to firewall.services (\"voipbl setup\" does); or this"
		network = "add {name: x, proto: esp, from: any} to firewall.services and \"192.0.2.7\" to firewall.local_networks"
		tools   = "install it with \"apt-get install iptables\""
	)
	for _, test := range []struct{ remedy, mistaken, refused string }{
		{agentRepairs, agentRepairs, agentRepairs},
		{problem.RunSync, rules.MendFirst + problem.RunSync, problem.RunSync},
		{other + named, rules.MendFirst + other + named, rules.TakeFirst + other + named},
		{"write addresses into LIST, or " + other + named, "write addresses into LIST", "write addresses into LIST"},
		{"write addresses into LIST, or " + other + ", then " + problem.RunSync + named, rules.MendFirst + "write addresses into LIST, then " + problem.RunSync, "write addresses into LIST, then " + problem.RunSync},
		{"if the list is right, lower the feed's min_entries", rules.MendFirst + "if the list is right, lower the feed's min_entries", rules.TakeFirst + "if the list is right, lower the feed's min_entries"},
		{fetch.ReasonTooLarge.Remedy(), rules.MendFirst + fetch.ReasonTooLarge.Remedy(), rules.TakeFirst + fetch.ReasonTooLarge.Remedy()},
		{fetch.ReasonStatus.Remedy(), fetch.ReasonStatus.Remedy(), fetch.ReasonStatus.Remedy()},
		{sent + "; or write 5160 into firewall.sip.ports, too", sent, sent},
		{sent + "; or add {name: ssh-2222, proto: tcp, ports: \"2222\", from: lan} to firewall.services", sent, sent},
		{names + ", and " + problem.RunSync, rules.MendFirst + "mend DNS, and " + problem.RunSync, "mend DNS, and " + problem.RunSync},
		{ufw + "; or set \"firewall: {base: false}\" (blocked addresses are dropped all the same), or set \"beside_others: true\"", ufw, ufw},
		{table, table, table},
		{"create the file or correct the feed's path in the configuration", "create the file", "create the file"},
		{tools + ", or choose the other backend with \"firewall: {backend: …}\"", tools, tools},
		{tools + "; if this host needs no protection over IPv6, say so with \"firewall: {ipv6: off}\"", tools, tools},
		{"take it out: RULE; or write 5999 into firewall.sip.ports, too", "take it out: RULE", "take it out: RULE"},
		{"take it out: RULE; or add {name: ssh-2222, proto: tcp, ports: \"2222\", from: lan} to firewall.services", "take it out: RULE", "take it out: RULE"},
		{service, rules.MendFirst + "see that firewall.services has {name: ssh-2222, proto: tcp, ports: \"2222,80:81\", from: lan}; or this", rules.TakeFirst + service},
		{network, rules.MendFirst + "see that firewall.services has {name: x, proto: esp, from: any}, and firewall.local_networks \"192.0.2.7\"", rules.TakeFirst + network},
		{state.LessRemedy, rules.MendFirst + state.LessRemedy, state.LessRemedy},
	} {
		mistaken := &Status{file: File{Mistake: true}}
		if got := mistaken.Mended(test.remedy); got != test.mistaken || mistaken.Mended(got) != got {
			t.Errorf("with a mistake %q becomes %q, not %q", test.remedy, got, test.mistaken)
		}
		refused := &Status{Agent: &state.AgentStatus{ConfigError: &problem.Problem{Remedy: state.LessRemedy}}}
		if got := refused.Mended(test.remedy); got != test.refused || refused.Mended(got) != got {
			t.Errorf("refused, %q becomes %q, not %q", test.remedy, got, test.refused)
		}
		if got := (&Status{}).Mended(test.remedy); got != test.remedy {
			t.Errorf("the file counts, and %q became %q", test.remedy, got)
		}
	}
}

// TestRemedyThatIsWritten: what the file has already is not to be written into it, but to be
// taken over.
func TestRemedyThatIsWritten(t *testing.T) {
	const over = "have the agent take the file over (\"voipbl reload\", if what it takes away is meant)"
	service := func(s string) string { return "firewall: {local_networks: [192.0.2.0/24], services: [" + s + "]}" }
	const add = "add {name: web, proto: tcp, ports: \"80,8080:8081\", from: lan} to firewall.services"
	for _, test := range []struct {
		remedy, file string
		written      bool
	}{
		{add, service("{name: other, proto: tcp, ports: \"80:90,8000:9000\", from: any}"), true},
		{add, service("{name: web, proto: tcp, ports: \"80\", from: lan}, {name: more, proto: tcp, ports: \"8080:8081\", from: lan}"), true},
		{add, service("{name: web, proto: tcp, ports: \"80\", from: lan}"), false},
		{add, service("{name: web, proto: udp, ports: \"80,8080:8081\", from: lan}"), false},
		{strings.Replace(add, "from: lan", "from: any", 1), service("{name: web, proto: tcp, ports: \"80,8080:8081\", from: lan}"), false},
		{add + " and \"192.0.2.7\" to firewall.local_networks; or this", service("{name: web, proto: tcp, ports: \"80,8080:8081\", from: lan}"), true},
		{add + " and \"192.0.3.7\" to firewall.local_networks; or this", service("{name: web, proto: tcp, ports: \"80,8080:8081\", from: lan}"), false},
		{"add \"192.0.2.7\" to firewall.local_networks", service(""), true},
		{"add \"192.0.3.7\" to firewall.local_networks", service(""), false},
		{"add {name: x, proto: esp, from: any} to firewall.services", service("{name: y, proto: esp, from: any}"), true},
		{"add {name: x, proto: esp, from: any} to firewall.services", service("{name: y, proto: gre, from: any}"), false},
		{"set \"from: any\" of the service web (tcp) in firewall.services", service("{name: web, proto: tcp, ports: \"80\", from: any}"), true},
		{"set \"from: any\" of the service web (tcp) in firewall.services", service("{name: web, proto: tcp, ports: \"80\", from: lan}"), false},
		{problem.RunSync, service(""), false},
	} {
		cfg, err := config.Parse("x", []byte(test.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, refuses := range []bool{false, true} {
			s, want := &Status{file: File{Config: &cfg}}, test.remedy
			if refuses {
				s.Agent = &state.AgentStatus{ConfigError: &problem.Problem{Remedy: state.LessRemedy}}
				want = rules.TakenOver(test.remedy)
			}
			switch {
			case test.written && refuses:
				want = over
			case test.written:
				want = "run \"voipbl reload\""
			}
			if got := s.Mended(test.remedy); got != want || s.Mended(got) != got {
				t.Errorf("%s: refused %v, %q becomes %q, not %q", test.file, refuses, test.remedy, got, want)
			}
		}
	}
}
