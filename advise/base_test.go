package advise

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/survey"
)

// TestAdviseBase goes through the reasons for and against base rules.
func TestAdviseBase(t *testing.T) {
	open := reach.Rest{IPv4: iptwalk.LetsIn, IPv6: iptwalk.LetsIn}
	at := func(change func(*rules.Prospect)) *rules.Prospect {
		p := &rules.Prospect{Rest: open, Sessions: []netip.Addr{netip.MustParseAddr("192.168.1.9")}}
		change(p)
		return p
	}
	out := []lockout.ShutOut{{What: "the SSH session from 81.2.69.7 to port 22", Reason: "why", Add: "add it"}, {What: "the VPN wireguard", Reason: "closed", Add: "open it"}}
	far := []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")}
	for _, c := range []struct {
		name       string
		configured bool
		refused    error
		at         *rules.Prospect
		want       Advice
		nowhere    []netip.Prefix
		says       string // of what stands against it, or speaks for it
	}{
		{"on", true, nil, at(func(*rules.Prospect) {}), BaseOn, nil, ""},
		{"on, and refused", true, nil, at(func(p *rules.Prospect) { p.Refusal = &lockout.ShutOutError{Out: out} }), BaseOn, nil, "they would lock out the SSH session from 81.2.69.7"},
		{"on, for a network that is nowhere", true, nil, at(func(*rules.Prospect) {}), BaseOn, far, "leads to 10.77.0.0/16"},
		{"a network that is nowhere", false, nil, at(func(*rules.Prospect) {}), BasePossible, far, "leads to 10.77.0.0/16"},
		{"nothing speaks against it", false, nil, at(func(*rules.Prospect) {}), BaseRecommended, nil, "from 192.168.1.9"},
		{"nobody is logged in", false, nil, at(func(p *rules.Prospect) { p.Sessions = nil }), BaseRecommended, nil, "nobody is logged in by SSH"},
		{"no network", false, errNoNetworks, at(func(*rules.Prospect) {}), BaseUnfit, nil, "somebody is logged in from 192.168.1.9"},
		{"another owner", false, &RefusedError{"ufw is the firewall", "switch it off"}, at(func(*rules.Prospect) {}), BaseUnfit, nil, "switch it off"},
		{"whoever would be locked out", false, nil, at(func(p *rules.Prospect) { p.Refusal = &lockout.ShutOutError{Out: out} }), BaseUnfit, nil, "81.2.69.7"},
		{"each of them", false, nil, at(func(p *rules.Prospect) { p.Refusal = &lockout.ShutOutError{Out: out} }), BaseUnfit, nil, "open it"},
		{"an owner by its rules", false, nil, at(func(p *rules.Prospect) { p.Refusal = &RefusedError{"beside firewalld", "switch it off"} }), BaseUnfit, nil, "firewalld"},
		{"a tunnel that nobody knows", false, nil, at(func(p *rules.Prospect) { p.Unclear = true }), BasePossible, nil, "tunnel"},
		{"a firewall of the admin's own", false, nil, at(func(p *rules.Prospect) { p.Rest.IPv4 = iptwalk.KeepsOut }), BasePossible, nil, "iptables -S INPUT"},
		{"for IPv6", false, nil, at(func(p *rules.Prospect) { p.Rest.IPv6 = iptwalk.KeepsOut }), BasePossible, nil, "ip6tables -S INPUT"},
		{"rules that are not understood", false, nil, at(func(p *rules.Prospect) { p.Rest.IPv4 = iptwalk.Unclear }), BasePossible, nil, "cannot be told"},
	} {
		got := AdviseBase(c.configured, c.refused, c.at, c.nowhere)
		said := strings.Join(got.Because, "\n")
		for _, m := range got.Missing {
			said += "\n" + m.What + "\n" + m.Fix
			if m.Fix == "" {
				t.Errorf("%s: nothing to be done about %q", c.name, m.What)
			}
		}
		if got.Advice != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%s: %s, saying %s\nwant %s, saying %q", c.name, got.Advice, said, c.want, c.says)
		}
	}
}

// TestOpeningsAreTheRules compares the table of what base rules let in with the rules themselves,
// at each port where a row or a rule begins or ends, and at the ports beside it.
func TestOpeningsAreTheRules(t *testing.T) {
	held := []reach.KernelRules{kernel(t, firewall.NFT, true, nil, nil)}
	for _, text := range []string{
		"firewall: {base: true, local_networks: [192.168.1.0/24], trunks: [5.6.7.8]}",
		"firewall: {base: true, local_networks: [192.168.1.0/24], trunks: [5.6.7.8], sip: {public: false, ports: \"5060,5160\"}}",
		"firewall: {base: true, local_networks: [10.0.0.0/8], services: [{name: a, proto: tcp, ports: \"22,80:82\", from: any}, {name: a, proto: udp, ports: \"22,80:82\", from: any}, {name: b, proto: tcp, ports: \"90\"}]}",
	} {
		cfg, err := config.Parse("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		rows := Openings(cfg, nil)
		ports := make(map[uint16]bool)
		for _, r := range rows {
			for _, p := range portsOf(t, r) {
				for _, edge := range []uint16{p.First - 1, p.First, p.First + 1, p.Last - 1, p.Last, p.Last + 1} {
					ports[edge] = edge > 0
				}
			}
		}
		for _, proto := range []string{"tcp", "udp"} {
			for port, real := range ports {
				if !real || proto == "udp" && port == 68 { // a DHCP client is not a server
					continue
				}
				closed := rules.ClosedListeners(cfg, held, []host.Listener{listener(proto, port, "it")})
				var everyone, local bool
				for _, r := range rows {
					if slices.Contains(r.Protos, proto) && portsOf(t, r).Has(port) {
						everyone = everyone || r.From == FromEveryone || r.From == FromLimited
						local = local || r.From == FromLocal
					}
				}
				if everyone != (len(closed) == 0) || !everyone && local != (len(closed[0].OpenTo) > 0) {
					t.Errorf("%s\n%s %d: rows everyone %t, local %t; closed by the rules: %+v", text, proto, port, everyone, local, closed)
				}
			}
		}
	}
}

// portsOf returns the ports of a row.
func portsOf(t *testing.T, o Opening) (all config.Ports) {
	t.Helper()
	if o.Ports == "" {
		return nil
	}
	for word := range strings.SplitSeq(o.Ports, ",") {
		first, last, isRange := strings.Cut(word, ":")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		all = append(all, config.PortRange{First: uint16(a), Last: uint16(b)})
	}
	return all
}

// TestOpeningsInUse: openings on which nothing listens are marked, and the protocols of one
// service share a row.
func TestOpeningsInUse(t *testing.T) {
	rows := Openings(config.Default(), []host.Listener{listener("udp", 123, "ntpd"), listener("tcp", 443, "nginx")})
	for _, r := range rows {
		switch r.Service {
		case "ntp":
			if len(r.Protos) != 2 || !r.Used {
				t.Errorf("%+v", r)
			}
		case "https":
			if !r.Used || r.From != FromEveryone {
				t.Errorf("%+v", r)
			}
		case "http", "ssh":
			if r.Used {
				t.Errorf("%+v", r)
			}
		}
	}
}

// TestNowhere: local networks to which no route leads are reported, unless one of them is
// reached.
func TestNowhere(t *testing.T) {
	facts := survey.Facts{Arrivals: &host.Arrivals{Routes: []host.Route{{To: netip.MustParsePrefix("192.168.7.0/24"), By: []string{"eth0"}}, {To: netip.MustParsePrefix("0.0.0.0/0"), By: []string{"eth1"}}}}}
	for _, c := range []struct{ networks, session, want string }{
		{"10.77.0.0/16", "", "[10.77.0.0/16]"},
		{"10.77.0.0/16, fd00:77::/64", "", "[10.77.0.0/16 fd00:77::/64]"},
		{"10.77.0.0/16, 192.168.7.0/24", "", "[]"},
		{"192.168.0.0/16", "", "[]"},
		{"10.77.0.0/16", "10.77.1.5", "[]"},
		{"203.0.113.0/24", "", "[]"}, // by the Internet
	} {
		cfg, err := config.Parse("", []byte("firewall: {local_networks: ["+strings.ReplaceAll(c.networks, "fd00:77::/64", "\"fd00:77::/64\"")+"]}"))
		if err != nil {
			t.Fatal(err)
		}
		var sessions []netip.Addr
		if c.session != "" {
			sessions = []netip.Addr{netip.MustParseAddr(c.session)}
		}
		if got := fmt.Sprint(Nowhere(cfg, facts, sessions)); got != c.want {
			t.Errorf("%s: %s, want %s", c.networks, got, c.want)
		}
	}
}
