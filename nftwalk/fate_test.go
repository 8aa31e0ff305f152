package nftwalk

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/nft"
)

// from returns packets of an address or a network.
func from(text string) Packet {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a := netip.MustParseAddr(text)
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return Packet{Source: p}
}

func (p Packet) to(proto string, port uint16) Packet {
	p.Proto, p.Port = proto, port
	return p
}

func (p Packet) at(addrs ...string) Packet {
	for _, a := range addrs {
		p.Here = append(p.Here, netip.MustParseAddr(a))
	}
	return p
}

func (p Packet) by(name string) Packet {
	p.Interface = name
	return p
}

// short sums a fate up in one line.
func short(f Fate) string {
	var all []string
	for _, d := range f.Drops {
		words := []string{map[bool]string{true: "certain", false: "perhaps"}[d.Certain]}
		if d.BySource {
			words = append(words, "by source")
		}
		if d.Set != "" {
			words = append(words, "@"+d.Set)
		}
		if d.Part {
			words = append(words, "in part")
		}
		if d.Entry.IsValid() {
			words = append(words, d.Entry.String())
		}
		if d.Proto != "" || d.Ports != nil {
			words = append(words, strings.TrimSpace(d.Proto+" "+strings.Trim(fmt.Sprint(d.Ports), "[]")))
		}
		if d.Unknown {
			words = append(words, "unknown")
		}
		all = append(all, d.Table+" "+d.Chain+": "+strings.Join(words, ", "))
	}
	return strings.Join(all, "; ")
}

// TestFate: what becomes of packets.
func TestFate(t *testing.T) {
	for _, test := range []struct {
		rules  string
		packet Packet
		want   string
	}{
		{"freepbx.nft", from("45.95.7.7"), "inet fpbx fpbxlogdrop: perhaps, by source, @blacklist, 45.95.0.0/16"},
		{"freepbx.nft", from("45.95.7.7").to("udp", 5060), "inet fpbx fpbxlogdrop: certain, by source, @blacklist, 45.95.0.0/16"},
		{"freepbx.nft", from("2a0a:1::9").to("udp", 5060), "inet fpbx fpbxlogdrop: certain, by source, @blacklist6, 2a0a:1::/32"},
		{"freepbx.nft", from("45.95.7.7").to("udp", 12000), ""}, // RTP stands above
		{"freepbx.nft", from("45.80.0.9").to("udp", 5060), "inet fpbx fpbxlogdrop: certain, by source, @rfw_attacker, 45.80.0.9/32"},
		{"freepbx.nft", from("8.8.8.8").to("udp", 5060), ""},                             // the responsive firewall
		{"freepbx.nft", from("8.8.8.8").to("tcp", 22), "inet fpbx fpbxlogdrop: perhaps"}, // unless it has a mark
		{"freepbx.nft", from("88.20.0.5").to("tcp", 22), ""},
		{"freepbx.nft", from("88.30.0.1").to("tcp", 22), ""},
		{"freepbx.nft", from("88.10.0.7").to("tcp", 5060), ""},
		{"freepbx.nft", from("192.168.7.5").to("tcp", 22), ""},
		{"freepbx.nft", from("192.168.7.5").to("tcp", 80), "inet fpbx fpbxlogdrop: perhaps"},
		{"freepbx.nft", from("217.10.68.150").to("udp", 5060), ""},

		{"docker.nft", from("8.8.8.8"), "ip docker-bridges raw-PREROUTING: perhaps"},
		{"docker.nft", from("8.8.8.8").at("203.0.113.1", "2001:db8::1"), ""},
		{"netavark.nft", from("8.8.8.8"), ""},

		{"firewalld.nft", from("45.95.7.7").to("udp", 5060), "inet firewalld filter_IN_public_deny: certain, by source, 45.95.0.0/16"},
		{"firewalld.nft", from("8.8.8.8").to("udp", 5060), "inet firewalld filter_IN_public: certain"},
		{"firewalld.nft", from("8.8.8.8").to("tcp", 22), ""},
		{"firewalld.nft", from("192.168.7.8").to("tcp", 80), ""},

		{"filter.nft", from("45.95.7.7"), "inet filter input: certain, by source, @blocked, 45.95.0.0/16"},
		{"filter.nft", from("45.95.0.0/24"), "inet filter input: certain, by source, @blocked, 45.95.0.0/16"},
		{"filter.nft", from("45.97.0.9"), "inet filter input: certain, by source, @blocked"},
		{"filter.nft", from("45.97.0.10").to("udp", 53), "inet filter input: certain"},
		{"filter.nft", from("88.20.0.0/23"), ""}, // two elements that touch
		{"filter.nft", from("8.8.8.8").to("udp", 5060), "inet filter input: certain"},
		{"filter.nft", from("8.8.8.8").to("tcp", 22), "inet filter ssh: certain"},
		{"filter.nft", from("88.7.7.7").to("tcp", 22), ""},
		{"filter.nft", from("8.8.8.8").to("tcp", 80), ""},
		{"filter.nft", from("88.40.3.3").to("udp", 5061), ""},
		{"filter.nft", from("88.40.3.3").to("udp", 5062), "inet filter input: certain"},
		{"filter.nft", from("88.41.0.1").to("udp", 22), ""},
		{"filter.nft", from("2a00::1").to("udp", 5060), "inet filter input: certain"},
		{"filter.nft", Packet{Proto: "udp", Port: 5060}, "inet filter input: certain"}, // a stranger's
		{"filter.nft", Packet{Forwarded: true}, "inet filter forward: certain"},

		{"fail2ban.nft", from("45.95.1.2"), "inet f2b-table f2b-chain: certain, by source, @addr-set-sshd, 45.95.1.2/32, tcp 22"},
		{"fail2ban.nft", from("45.95.1.2").to("udp", 5060), ""},
		{"fail2ban.nft", from("45.96.1.2"), "inet f2b-table f2b-chain: certain, by source, @addr-set-asterisk, 45.96.0.0/16"},
		{"fail2ban.nft", from("2a0a:1::5"), "inet f2b-table f2b-chain: certain, by source, @addr6-set-asterisk, 2a0a:1::5/128"},
		{"fail2ban.nft", from("2a0a:1::/32"), "inet f2b-table f2b-chain: certain, by source, @addr6-set-asterisk, in part, 2a0a:1::5/128"},
		{"fail2ban.nft", Packet{}, ""},

		{"odd.nft", from("45.1.0.1").by("host1").to("udp", 1), "inet odd early: perhaps, by source, 45.1.0.1/32, unknown"},
		{"odd.nft", from("45.1.0.2").by("host1").to("udp", 1), "inet odd early: perhaps, by source, 45.1.0.2/32, unknown"},
		{"odd.nft", from("45.1.0.3").by("host1").to("udp", 1), "inet odd early: perhaps, by source, 45.1.0.3/32, unknown"},
		{"odd.nft", from("45.1.0.4").by("host1").to("udp", 1), ""},
		{"odd.nft", from("45.1.0.4").by("host1").to("tcp", 1), "inet odd early: perhaps, by source, 45.1.0.4/32, unknown"},
		{"odd.nft", from("45.1.0.5").by("host1").to("udp", 1), "inet odd early: perhaps, by source, 45.1.0.5/32, unknown"},
		{"odd.nft", from("45.1.0.6").by("host1").to("udp", 1), "inet odd early: perhaps, by source, 45.1.0.6/32, unknown"},
		{"odd.nft", from("9.9.9.77").by("host1"), "inet odd early: certain, by source"},
		{"odd.nft", from("45.1.1.50").by("host1").to("udp", 53), ""},
		{"odd.nft", from("45.1.1.50").by("host1").to("udp", 54), "inet odd early: certain, by source"},
		{"odd.nft", from("251.0.0.1").by("host1").to("tcp", 1), "inet odd early: certain, by source"},
		{"odd.nft", from("8.8.8.8").by("host1"), "inet odd sink: perhaps, udp 7000 7100:7200"},
		{"odd.nft", from("8.8.8.8").by("host1").to("udp", 7150), ""},
		{"odd.nft", from("8.8.8.8").by("host1").to("udp", 7151), "inet odd sink: certain"},
		{"odd.nft", from("8.8.8.8").by("ppp0").to("udp", 1), "inet odd early: certain"},
		{"odd.nft", from("45.2.0.1").by("host1").to("udp", 1), "netdev edge in: perhaps, by source, 45.2.0.1/32"},
		{"odd.nft", from("45.3.0.1").by("host1").to("udp", 1), "bridge frames in: perhaps, by source, 45.3.0.1/32"},
	} {
		t.Run(fmt.Sprint(test.rules, " ", test.packet), func(t *testing.T) {
			if got := short(FateOf(testnft.Loaded(t, test.rules), test.packet)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestFateWithoutElements: with sets not read, nothing is certain for their members, and a
// stranger's fate is as before.
func TestFateWithoutElements(t *testing.T) {
	testnft.Loaded(t, "filter.nft")
	r := testnft.Read(t, nft.Options{})
	if got, want := short(FateOf(r, Packet{Proto: "udp", Port: 5060})), "inet filter input: certain"; got != want {
		t.Errorf("a stranger: %s", got)
	}
	if got, want := short(FateOf(r, from("45.95.7.7").to("udp", 5060))), "inet filter input: perhaps, by source, @blocked; inet filter input: perhaps"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestOwners(t *testing.T) {
	for rules, want := range map[string]string{
		"freepbx.nft":   "FreePBX's firewall inet fpbx,ip fpbxnat true",
		"docker.nft":    "Docker ip docker-bridges false",
		"netavark.nft":  "Podman inet netavark false",
		"firewalld.nft": "firewalld inet firewalld true",
		"filter.nft":    "nftables (inet filter) inet filter true",
		"fail2ban.nft":  "fail2ban inet f2b-table false",
		"odd.nft":       "nftables (inet odd) inet odd true, nftables (netdev edge) netdev edge false, nftables (bridge frames) bridge frames false",
	} {
		t.Run(rules, func(t *testing.T) {
			testnft.Loaded(t, rules)
			for _, elements := range []bool{false, true} {
				var got []string
				for _, o := range Owners(testnft.Read(t, nft.Options{Elements: elements})) {
					got = append(got, fmt.Sprint(o.Name, " ", strings.Join(o.Tables, ","), " ", o.Closes))
				}
				if strings.Join(got, ", ") != want {
					t.Errorf("%s", strings.Join(got, ", "))
				}
			}
		})
	}
}

func TestPublished(t *testing.T) {
	for rules, want := range map[string][2]string{
		"docker.nft":    {"udp 5060 172.17.0.2, tcp 8080 172.17.0.2", ""},
		"netavark.nft":  {"tcp 8080 10.88.0.2", "tcp 8080 fd00:88::2"},
		"firewalld.nft": {"udp 5070 192.0.2.7", ""},
		"odd.nft":       {"udp 5080 invalid IP, udp 5090 invalid IP", ""},
		"filter.nft":    {"", ""},
	} {
		t.Run(rules, func(t *testing.T) {
			r := testnft.Loaded(t, rules)
			for i, is6 := range []bool{false, true} {
				var got []string
				for _, p := range PublishedPorts(r, is6) {
					got = append(got, fmt.Sprint(p.Proto, " ", p.Ports.First, " ", p.To))
				}
				if strings.Join(got, ", ") != want[i] {
					t.Errorf("IPv6 %v: %s", is6, strings.Join(got, ", "))
				}
			}
		})
	}
}
