package nftwalk

import (
	"net/netip"
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/nft"
)

// TestFateOfStrange walks rules whose answers were wrong before they were compared with real
// packets. Each is loaded by nft(8) on its own.
func TestFateOfStrange(t *testing.T) {
	testns.Enter(t)
	const input = "type filter hook input priority 0\n"
	for _, test := range []struct{ rules, from, want string }{
		{"table inet a {\nchain i {\n" + input + "ip saddr vmap { 45.1.0.1 : continue }\nip saddr 45.1.0.0/24 drop\n}\n}", "45.1.0.1", "inet a i: certain, by source, 45.1.0.0/24"},
		{"table inet a {\nchain i {\n" + input + "iifname . ip saddr { \"eth0\" . 45.1.0.1 } accept\nip saddr 45.1.0.0/24 drop\n}\n}", "45.1.0.1", "inet a i: perhaps, by source, 45.1.0.0/24"},
		{"table inet a {\nchain i {\n" + input + "iifname . ip saddr { \"eth0\" . 45.1.0.1 } drop\n}\n}", "45.1.0.1", "inet a i: perhaps, by source"},
		{"table inet a {\nchain i {\n" + input + "ip saddr != 45.2.0.0/16 drop\n}\n}", "45.1.0.1", "inet a i: certain, by source"},
		{"table inet a {\nchain i {\n" + input + "ip saddr != 45.2.0.0/16 tcp dport 22 drop\n}\n}", "45.1.0.1", "inet a i: certain, tcp 22"},
		{"table inet a {\nchain p {\ntype filter hook prerouting priority -300\nnotrack\n}\nchain i {\n" + input + "ct state new ip saddr 45.1.0.1 drop\n}\n}", "45.1.0.1", ""},
		{"table inet a {\nchain p {\ntype filter hook prerouting priority -300\nudp dport 5060 notrack\n}\nchain i {\n" + input + "ct state untracked accept\nip saddr 45.1.0.1 drop\n}\n}", "45.1.0.1", "inet a i: perhaps, by source, 45.1.0.1/32"},
		{"table inet a {\nchain p {\ntype filter hook prerouting priority -150\nip saddr 45.1.0.1 meta mark set 7\n}\nchain i {\n" + input + "meta mark 7 drop\n}\n}", "45.1.0.1", "inet a i: perhaps, by source, 45.1.0.1/32"},
		{"table inet a {\nset s {\ntype ipv4_addr . inet_proto . inet_service\nflags interval\nelements = { 45.1.0.0/24 . udp . 5060-5061 }\n}\nchain i {\n" + input + "ip saddr . meta l4proto . th dport @s drop\n}\n}", "45.1.0.1", "inet a i: perhaps, by source, @s"},

		// Tables with names of iptables', whose tools omit these rules or show them wrong.
		{"table ip filter {\nchain input {\n" + input + "ip saddr 45.1.0.1 drop\n}\n}", "45.1.0.1", "ip filter input: certain, by source, 45.1.0.1/32"},
		{"table ip filter {\nchain INPUT {\ntype filter hook input priority 5\nip saddr 45.1.0.1 drop\n}\n}", "45.1.0.1", "ip filter INPUT: certain, by source, 45.1.0.1/32"},
		{"table ip filter {\nset evil {\ntype ipv4_addr\nelements = { 45.1.0.1 }\n}\nchain INPUT {\n" + input + "ip saddr @evil drop\nip saddr 45.2.0.0/16 drop\n}\n}", "45.1.0.1", "ip filter INPUT: certain, by source, @evil, 45.1.0.1/32"},
		{"table ip filter {\nset evil {\ntype ipv4_addr\nelements = { 45.1.0.1 }\n}\nchain INPUT {\n" + input + "ip saddr @evil drop\nip saddr 45.2.0.0/16 drop\n}\n}", "45.2.0.1", ""},
		{"table ip filter {\nchain X {\ndrop\n}\nchain INPUT {\n" + input + "ip saddr 45.1.0.1-45.1.0.2 jump X\n}\n}", "45.1.0.1", "ip filter X: certain, by source"},
	} {
		testnft.Script(t, "flush ruleset\n"+test.rules+"\n")
		p := Packet{Source: netip.PrefixFrom(netip.MustParseAddr(test.from), 32)}
		if got := short(FateOf(testnft.Read(t, nft.Options{Elements: true}), p)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.rules, got, test.want)
		}
	}
}
