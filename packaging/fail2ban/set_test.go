package fail2ban_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ours are the rules that voipbl-set keeps in INPUT, of the jail for Asterisk.
func ours(family int) []string {
	var rules []string
	for _, proto := range []string{"tcp", "udp"} {
		rules = append(rules, fmt.Sprintf("-p %s -m multiport --dports 5060:5061 -m set --match-set %s src -m comment --comment f2b-voipbl-asterisk -j REJECT --reject-with %s",
			proto, sets[family], [...]string{"icmp-port-unreachable", "icmp6-port-unreachable"}[family]))
	}
	return rules
}

// TestSet: attackers are in the set and are told that the port is closed, with
// voipbl's base rules and without; nobody else is. What fail2ban stops, it takes back,
// and nothing else.
func TestSet(t *testing.T) {
	for _, base := range []string{"false", "true"} {
		t.Run("base "+base, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.protect(base)
				h.serve()
				h.jails(asterisk(""))
				h.start()
				before := h.sh("iptables-save; ip6tables-save; ipset list -name")
				h.expect("before", h.knock, attacker, answered)

				h.attack(attacker[:]...)
				h.banned(sets, attacker)
				h.expect("banned", h.knock, attacker, rejected)
				h.expect("banned", h.knock, bystander, answered)
				for f := range tables {
					h.setTimeout(f, attacker[f], 24*3600)
					// Below voipbl's drop, so that it has nothing to repair.
					input := h.rules(f, "INPUT")
					if diff := cmp.Diff(drops(f), input[:2]); diff != "" {
						h.Errorf("the first rules (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(ours(f), input[2:4]); diff != "" {
						h.Errorf("the rules below the drop (-want +got):\n%s", diff)
					}
				}
				h.sh("voipbl firewall diff")

				h.client("unban " + attacker[0].String() + " " + attacker[1].String())
				h.freed(sets, attacker)
				h.expect("unbanned", h.knock, attacker, answered)

				// It remembers, and begins anew.
				h.attack(attacker[:]...)
				h.banned(sets, attacker)
				h.stop()
				if after := h.sh("iptables-save; ip6tables-save; ipset list -name"); cut(after) != cut(before) {
					h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(before), cut(after)))
				}
				h.freed(sets, attacker)
				h.start()
				h.banned(sets, attacker)
				h.expect("restored", h.knock, attacker, rejected)
				h.stop()
			})
		})
	}
}

// cut leaves out of a dump what differs from time to time.
func cut(dump string) string {
	return regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]|^:(PREROUTING|FORWARD|OUTPUT|INPUT) ACCEPT.*\n`).ReplaceAllString(dump, "")
}

// setTimeout checks that an entry has about so many seconds left.
func (h *host) setTimeout(family int, a netip.Addr, want int) {
	h.Helper()
	listing := h.sh("ipset save " + sets[family])
	m := regexp.MustCompile(`(?m)^add \S+ ` + regexp.QuoteMeta(a.String()) + ` timeout (\d+)$`).FindStringSubmatch(listing)
	if m == nil {
		h.Fatalf("%s is not in\n%s", a, listing)
	}
	if got, err := strconv.Atoi(m[1]); err != nil || got > want || got < want-int(patience.Seconds()) {
		h.Errorf("%s has %s seconds left, of %d", a, m[1], want)
	}
}

// TestSetEnds: how long bans last in the kernel, and what becomes of those that
// nobody has to end any more.
func TestSetEnds(t *testing.T) {
	for _, test := range []struct {
		name, bantime string
		want          int
	}{
		{"for ever", "-1", 0},
		{"as long as ipset can", "2147483", 2147483},
		{"longer than ipset can", "2147999", 0},
		{"ten years", "3650d", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, "nft")
			h.jails(asterisk("bantime = " + test.bantime))
			h.start()
			h.attack(attacker[:]...)
			h.banned(sets, attacker)
			for f := range tables {
				h.setTimeout(f, attacker[f], test.want)
			}
			h.stop()
			if left := h.sh("ipset list -name"); left != "" {
				h.Errorf("after the stop there are the sets %q", left)
			}
		})
	}
	t.Run("expired", func(t *testing.T) {
		h := newHost(t, "nft")
		h.serve()
		h.jails(asterisk("bantime = 3"))
		h.start()
		h.attack(attacker[:]...)
		for _, a := range attacker {
			h.eventually(a.String()+" is unbanned", func() bool { return strings.Contains(h.read("fail2ban.log"), " Unban "+a.String()) })
		}
		h.freed(sets, attacker)
		h.expect("expired", h.knock, attacker, answered)
		h.stop()
	})
}

// TestSetOfOthers: what others have put into the set and into INPUT stays, as do
// bans that are there already or are gone already.
func TestSetOfOthers(t *testing.T) {
	onEachBackend(t, func(h *host) {
		for f, name := range tables {
			family := [...]string{"inet", "inet6"}[f]
			// An admin's set need not be made as ours would be.
			h.sh("ipset create " + sets[f] + " hash:ip family " + family + " maxelem 1000 timeout 0; ipset add " + sets[f] + " " + bystander[f].String())
			// The same rule without our mark is somebody else's.
			h.sh(name + " -A INPUT " + strings.Replace(ours(f)[1], "-m comment --comment f2b-voipbl-asterisk ", "", 1))
			h.sh(name + " -A INPUT -p tcp --dport 9 -j ACCEPT")
		}
		before := h.sh("iptables-save; ip6tables-save; ipset save")
		h.jails(asterisk(""))
		h.start()
		for f, a := range attacker {
			h.sh("ipset add " + sets[f] + " " + a.String() + " timeout 9")
		}
		h.attack(attacker[:]...)
		h.eventually("both have rules", func() bool { return len(h.rules(0, "INPUT")) == 4 && len(h.rules(1, "INPUT")) == 4 })
		for f, a := range attacker {
			h.eventually(a.String()+" has the new end", func() bool {
				return !regexp.MustCompile(`(?m)^add \S+ ` + a.String() + ` timeout \d$`).MatchString(h.sh("ipset save " + sets[f]))
			})
			if got := h.rules(f, "INPUT"); !slices.Equal(got[:2], ours(f)) {
				h.Errorf("INPUT is %q", got)
			}
			h.sh("ipset del " + sets[f] + " " + a.String())
		}
		h.client("unban " + attacker[0].String())
		h.stop() // unbans the other
		if after := h.sh("iptables-save; ip6tables-save; ipset save"); cut(after) != cut(before) {
			h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(before), cut(after)))
		}
	})
}

// TestSetHeals: the next word of somebody who is banned, or the next ban, puts back
// what was taken away.
func TestSetHeals(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.serve()
		h.jails(asterisk(""))
		h.start()
		h.attack(attacker[:]...)
		h.banned(sets, attacker)
		h.expect("banned", h.knock, attacker, rejected)

		h.sh("iptables -F INPUT; ip6tables -F INPUT")
		h.expect("flushed", h.knock, attacker, answered)
		h.attack(bystander[:]...)
		h.banned(sets, bystander)
		h.expect("a new ban", h.knock, attacker, rejected)
		h.expect("a new ban", h.knock, bystander, rejected)

		h.sh("iptables -F INPUT; ip6tables -F INPUT; ipset destroy " + sets[0] + "; ipset destroy " + sets[1])
		h.expect("destroyed", h.knock, attacker, answered)
		// fail2ban looks after it only if somebody is heard of for more than 3 seconds
		// after his ban: until then he says the same again.
		for f, a := range attacker {
			h.eventually(a.String()+" is banned again", func() bool { h.attack(a); return h.in(sets[f], a) })
		}
		h.expect("said again", h.knock, attacker, rejected)
		if len(h.complaints()) == 0 {
			h.Error("fail2ban says nothing of what was taken away")
		}
		h.write("fail2ban.log", "")
		h.client("stop")
		h.server.Wait()
		if left := h.sh("ipset list -name; iptables -S INPUT; ip6tables -S INPUT"); left != "-P INPUT ACCEPT\n-P INPUT ACCEPT\n" {
			h.Errorf("after the stop there is\n%s", left)
		}
	})
}
