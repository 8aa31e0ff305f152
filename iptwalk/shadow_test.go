package iptwalk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/iptables"
)

// savedOf returns a listing of the filter table with rules given as "CHAIN RULE"; chains are made
// as they are named.
func savedOf(t testing.TB, f iptables.Family, policy string, rules ...string) *iptables.Saved {
	t.Helper()
	var text, body strings.Builder
	fmt.Fprintf(&text, "*filter\n:INPUT %s [0:0]\n", policy)
	made := map[string]bool{"INPUT": true}
	for _, r := range rules {
		chain, _, _ := strings.Cut(r, " ")
		if !made[chain] {
			made[chain] = true
			fmt.Fprintf(&text, ":%s - [0:0]\n", chain)
		}
		fmt.Fprintf(&body, "[0:0] -A %s\n", r)
	}
	s, err := iptables.ParseSaved(f, []byte(text.String()+body.String()+"COMMIT\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	ownDrop = `INPUT -m set --match-set voip_bl src -m comment --comment "voipbl: drop what comes from blocked addresses" -j DROP`
	ownJump = `INPUT -m comment --comment "voipbl: the base rules, which end in DROP" -j VOIPBL-INPUT`
)

// own are rules of VOIPBL-INPUT, of which the second is behind the first on purpose.
var own = []string{
	`VOIPBL-INPUT -p udp -m udp --dport 10000:20000 -m comment --comment "voipbl: rtp: voice and video" -j ACCEPT`,
	`VOIPBL-INPUT -s 192.168.1.0/24 -p udp -m udp --dport 10001 -m comment --comment "voipbl: it from the local network" -j ACCEPT`,
	`VOIPBL-INPUT -p udp -m udp --dport 5060:5061 -m string --string "REGISTER sip:" --algo bm --to 65535 -m comment --comment "voipbl: sip: too many" -j DROP`,
	`VOIPBL-INPUT -p tcp -m tcp --dport 443 -m comment --comment "voipbl: https for everyone" -j ACCEPT`,
	`VOIPBL-INPUT -m comment --comment "voipbl: nothing else" -j DROP`,
}

func TestShadowed(t *testing.T) {
	const anything = "INPUT -j ACCEPT"
	for _, test := range []struct {
		name  string
		rules []string
		want  []string // "CHAIN RULE'S TARGET or purpose < earlier rule", and "=" where the same becomes of it
	}{
		{"nothing", nil, nil},
		{"ours", append([]string{ownDrop, ownJump}, own...), nil},
		{"an admin's rule below", append([]string{ownDrop, ownJump, "INPUT -p tcp -m tcp --dport 8443 -j ACCEPT"}, own...),
			[]string{"INPUT -p tcp -m tcp --dport 8443 -j ACCEPT < the base rules, which end in DROP"}},
		{"an admin's own end below", append([]string{ownDrop, ownJump, "INPUT -j REJECT --reject-with icmp-port-unreachable"}, own...),
			[]string{"INPUT -j REJECT --reject-with icmp-port-unreachable < the base rules, which end in DROP ="}},
		{"an admin's log below", append([]string{ownDrop, ownJump, "INPUT -j LOG"}, own...),
			[]string{"INPUT -j LOG < the base rules, which end in DROP"}},
		{"everything let in above the jump", append([]string{ownDrop, anything, ownJump}, own...),
			[]string{"INPUT the base rules, which end in DROP < -j ACCEPT"}},
		{"a limit let in above", []string{"INPUT -p udp -j ACCEPT", ownJump, `VOIPBL-INPUT -p udp -m udp --dport 5060 -m limit --limit 6/sec -m comment --comment "voipbl: sip for everyone, not too fast" -j ACCEPT`, own[4]},
			[]string{"VOIPBL-INPUT sip for everyone, not too fast < -p udp -j ACCEPT"}},
		{"everything let in above all", []string{anything, ownDrop},
			[]string{"INPUT drop what comes from blocked addresses < -j ACCEPT"}},
		{"everything over UDP let in", append([]string{ownDrop, "INPUT -p udp -j ACCEPT", ownJump}, own...), []string{
			"VOIPBL-INPUT rtp: voice and video < -p udp -j ACCEPT =",
			"VOIPBL-INPUT it from the local network < -p udp -j ACCEPT =",
			"VOIPBL-INPUT sip: too many < -p udp -j ACCEPT"}},
		{"an admin's port above", append([]string{ownDrop, "INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT", ownJump}, own...),
			[]string{"VOIPBL-INPUT https for everyone < -p tcp -m multiport --dports 80,443 -j ACCEPT ="}},
		{"from everywhere but there", []string{"INPUT -s 10.0.0.0/8 -j DROP", "INPUT ! -s 10.0.0.0/8 -j ACCEPT", "INPUT -s 10.0.0.0/8 ! -p udp -j ACCEPT"},
			[]string{"INPUT -s 10.0.0.0/8 ! -p udp -j ACCEPT < -s 10.0.0.0/8 -j DROP"}},
		{"an admin's port above, for somebody", append([]string{ownDrop, "INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 443 -j ACCEPT", ownJump}, own...), nil},
		{"an answer let in above", append([]string{ownDrop, "INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT", "INPUT -i lo -j ACCEPT", ownJump}, own...), nil},
		{"not from there", append([]string{ownDrop, "INPUT ! -s 203.0.113.7/32 -j ACCEPT", ownJump}, own...), nil},
		{"fail2ban above", append([]string{"INPUT -p udp -m multiport --dports 5060,5061 -j f2b-a", ownDrop, ownJump, "f2b-a -s 203.0.113.9/32 -j REJECT", "f2b-a -j RETURN"}, own...), nil},
		{"fail2ban below", append([]string{ownDrop, ownJump, "INPUT -p udp -m multiport --dports 5060,5061 -j f2b-a", "f2b-a -s 203.0.113.9/32 -j ACCEPT", "f2b-a -j RETURN"}, own...),
			[]string{"INPUT -p udp -m multiport --dports 5060,5061 -j f2b-a < the base rules, which end in DROP"}},
		{"fail2ban below, idle", append([]string{ownDrop, ownJump, "INPUT -p udp -m multiport --dports 5060,5061 -j f2b-a", "f2b-a -j RETURN"}, own...),
			[]string{"INPUT -p udp -m multiport --dports 5060,5061 -j f2b-a < the base rules, which end in DROP ="}},
		{"two of an admin", []string{"INPUT -s 10.0.0.0/8 -j ACCEPT", "INPUT -s 10.1.2.0/24 -p tcp -m tcp --dport 22 -j DROP"},
			[]string{"INPUT -s 10.1.2.0/24 -p tcp -m tcp --dport 22 -j DROP < -s 10.0.0.0/8 -j ACCEPT"}},
		{"the wider below", []string{"INPUT -s 10.1.2.0/24 -j ACCEPT", "INPUT -s 10.0.0.0/8 -j DROP"}, nil},
		{"interfaces", []string{"INPUT -i eth+ -j DROP", "INPUT -i eth0 -p udp -j ACCEPT", "INPUT -i wlan0 -j ACCEPT", "INPUT -j ACCEPT"},
			[]string{"INPUT -i eth0 -p udp -j ACCEPT < -i eth+ -j DROP"}},
		{"ports in two ranges that touch", []string{"INPUT -p udp -m multiport --dports 1000:1999,2000:2999 -j DROP", "INPUT -p udp -m udp --dport 1500:2500 -j ACCEPT"},
			[]string{"INPUT -p udp -m udp --dport 1500:2500 -j ACCEPT < -p udp -m multiport --dports 1000:1999,2000:2999 -j DROP"}},
		{"every port is not everything", []string{"INPUT -p udp -m udp --dport 0:65535 -j DROP", "INPUT -p udp -j ACCEPT"}, nil}, // fragments
		{"ports but one", []string{"INPUT -p udp -m udp ! --dport 53 -j DROP", "INPUT -p udp -m udp --dport 5060 -j ACCEPT", "INPUT -p udp -m udp --dport 53 -j ACCEPT"},
			[]string{"INPUT -p udp -m udp --dport 5060 -j ACCEPT < -p udp -m udp ! --dport 53 -j DROP"}},
		{"all protocols but one", []string{"INPUT ! -p tcp -j DROP", "INPUT -p udp -j ACCEPT", "INPUT -p tcp -j ACCEPT", "INPUT ! -p udp -j ACCEPT"},
			[]string{"INPUT -p udp -j ACCEPT < ! -p tcp -j DROP"}},
		{"another protocol", []string{"INPUT -p tcp -m tcp --dport 5060 -j DROP", "INPUT -p udp -m udp --dport 5060 -j ACCEPT"}, nil},
		{"a chain that may come back", []string{"INPUT -j mine", "INPUT -p udp -j ACCEPT", "mine -s 10.0.0.0/8 -j RETURN", "mine -j DROP"}, nil},
		{"a chain in a chain that ends", []string{"INPUT -j mine", "INPUT -p udp -j ACCEPT", "mine -i lo -j ACCEPT", "mine -j other", "other -j DROP"},
			[]string{"INPUT -p udp -j ACCEPT < -j mine"}},
		{"gone to a chain that comes back", []string{"INPUT -j mine", "INPUT -p udp -j ACCEPT", "mine -p tcp -g other", "mine -j DROP", "other -s 10.0.0.0/8 -j DROP"}, nil},
		{"nothing more after a return", []string{"INPUT -j RETURN", "INPUT -p udp -j ACCEPT"}, []string{"INPUT -p udp -j ACCEPT < -j RETURN"}},
		{"a chain of ours that two go to", append([]string{"INPUT -p udp -j ACCEPT", ownJump, "INPUT -i eth9 -j VOIPBL-INPUT"}, own...),
			[]string{"INPUT -i eth9 -j VOIPBL-INPUT < the base rules, which end in DROP"}},
		{"somebody's rule in our chain", []string{ownJump, "VOIPBL-INPUT -p tcp -j ACCEPT", own[3]},
			[]string{"VOIPBL-INPUT https for everyone < -p tcp -j ACCEPT ="}},
		{"a mask with holes", []string{"INPUT -s 10.0.0.1/255.0.0.255 -j DROP", "INPUT -s 10.0.0.1/32 -j ACCEPT"}, nil},
		{"a limit", []string{"INPUT -m limit --limit 1/sec -j ACCEPT", "INPUT -p udp -j ACCEPT"}, nil},
		{"a comment is no match", []string{`INPUT -m comment --comment "-p tcp" -j DROP`, "INPUT -p udp -j ACCEPT"},
			[]string{`INPUT -p udp -j ACCEPT < -m comment --comment "-p tcp" -j DROP`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, s := range Shadowed(savedOf(t, iptables.IPv4, "ACCEPT", test.rules...)) {
				words := func(rule string) string {
					if p := iptables.Purpose(rule); p != "" {
						return p
					}
					return rule
				}
				line := s.Chain + " " + words(s.Rule) + " < " + words(s.By)
				if s.Same {
					line += " ="
				}
				if s.Ours != (iptables.Purpose(s.Rule) != "") || s.ByOurs != (iptables.Purpose(s.By) != "") {
					t.Errorf("whose they are: %+v", s)
				}
				got = append(got, line)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("found\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestReception(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy string
		rules  []string
		want   Reception
	}{
		{"empty", "ACCEPT", nil, LetsIn},
		{"policy", "DROP", nil, KeepsOut},
		{"ports and a policy", "DROP", []string{"INPUT -p tcp -m tcp --dport 22 -j ACCEPT"}, KeepsOut},
		{"only the drop", "ACCEPT", []string{ownDrop}, LetsIn},
		{"the base rules", "ACCEPT", append([]string{ownDrop, ownJump}, own...), KeepsOut},
		{"everything let in before", "DROP", []string{"INPUT -j ACCEPT"}, LetsIn},
		{"a last rule", "ACCEPT", []string{"INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "INPUT -j REJECT"}, KeepsOut},
		{"a chain", "ACCEPT", []string{"INPUT -j mine", "mine -i lo -j ACCEPT", "mine -j DROP"}, KeepsOut},
		{"a chain that comes back", "ACCEPT", []string{"INPUT -j mine", "mine -j RETURN", "mine -j DROP"}, LetsIn},
		{"only new connections", "ACCEPT", []string{"INPUT -m conntrack --ctstate INVALID,NEW -j DROP"}, Unclear},
		{"only broken ones", "ACCEPT", []string{"INPUT -m conntrack --ctstate INVALID -j DROP"}, LetsIn},
		{"an interface", "ACCEPT", []string{"INPUT -i eth0 -j DROP"}, Unclear},
		{"some ports closed", "ACCEPT", []string{"INPUT -p tcp -m tcp --dport 5038 -j DROP", "INPUT -s 203.0.113.9/32 -j DROP"}, LetsIn},
		{"all ports but one closed", "ACCEPT", []string{"INPUT -p tcp -m tcp ! --dport 22 -j DROP"}, Unclear},
		{"a chain that may close, and a last rule that lets in", "DROP", []string{"INPUT -j mine", "INPUT -j ACCEPT", "mine -i eth0 -j DROP"}, Unclear},
		{"a flood", "ACCEPT", []string{"INPUT -m recent --update --seconds 60 --name X --mask 255.255.255.255 --rsource -j DROP"}, LetsIn},
		{"fail2ban", "ACCEPT", []string{"INPUT -p tcp -m multiport --dports 22 -j f2b-sshd", "f2b-sshd -s 203.0.113.9/32 -j REJECT", "f2b-sshd -j RETURN"}, LetsIn},
		{"ufw", "DROP", []string{"INPUT -j ufw-before-input", "INPUT -j ufw-track-input", "ufw-before-input -i lo -j ACCEPT", "ufw-track-input -p tcp -j ACCEPT"}, KeepsOut},
	} {
		if got := ReceptionOf(savedOf(t, iptables.IPv4, test.policy, test.rules...)); got != test.want {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
	if got := ReceptionOf((&iptables.Saved{Family: iptables.IPv6, Absent: true})); got != KeepsOut {
		t.Errorf("no IPv6 at all: %s", got)
	}
}

// TestManyWays: chains that jump to each other have more ways through them than anybody can
// follow, and a chain may come back to itself. Each chain is looked at once.
func TestManyWays(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT ACCEPT [0:0]\n")
	const deep, wide = 12, 40
	for c := range deep + 1 {
		fmt.Fprintf(&b, ":C%d - [0:0]\n", c)
	}
	fmt.Fprintln(&b, "-A INPUT -j C0\n-A INPUT -s 9.9.9.9/32 -j ACCEPT")
	for c := range deep {
		for i := range wide {
			fmt.Fprintf(&b, "-A C%d -s 4.%d.%d.0/24 -j C%d\n", c, c, i, c+1)
		}
	}
	fmt.Fprintf(&b, "-A C%d -s 5.5.5.5/32 -j C0\n-A C%d -j DROP\nCOMMIT\n", deep, deep)
	s, err := iptables.ParseSaved(iptables.IPv4, []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if found := Shadowed(s); len(found) != 0 {
		t.Errorf("shadowed: %v", found)
	}
	if r := ReceptionOf(s); r != LetsIn {
		t.Errorf("INPUT is %s", r)
	}
	if f, certain := fatesOf(s, "filter").ends(fmt.Sprint("C", deep)); f != mixed || !certain {
		t.Errorf("what the last chain gets ends %v, %v", f, certain)
	}
}
