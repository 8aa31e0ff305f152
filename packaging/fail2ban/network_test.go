package fail2ban_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestNetworkIsRefused: banning a network with fail2ban would block the friends in it, so it is refused, and
// the message names the command that can do it. Taking such a ban back is no error, and frees nobody.
func TestNetworkIsRefused(t *testing.T) {
	networks := addrNetworks(friend)
	for jail, action := range map[string]string{"voipbl-asterisk": asterisk(setAlone), "voipbl-ssh": sshJail} {
		t.Run(jail, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.protect("false")
				h.serve()
				h.jails(action)
				h.start()
				for f, network := range networks {
					// Neighbours of the friend, who are banned themselves and stay so.
					neighbour := friend[f].Next()
					if jail == "voipbl-ssh" {
						h.banSSH(neighbour.String())
					} else {
						h.attack(neighbour)
						h.eventually("the neighbour is banned", func() bool { return h.in(owns[f], neighbour) && h.in(sets[f], neighbour) })
					}
					before := h.settled()
					h.client("set " + jail + " banip " + network.String())
					h.says(network.String() + " is a network")
					h.client("set " + jail + " unbanip " + network.String())
					if after := h.settled(); cut(after) != cut(before) {
						h.Errorf("banning %s changes\n%s\ninto\n%s", network, before, after)
					}
					complaints := h.complaints()
					if !slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(c, "voipbl ban "+network.String()) }) {
						h.Errorf("no word of what does it: %q", complaints)
					}
					if slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(c, "actionunban") || strings.Contains(c, "unban network") }) {
						h.Errorf("to take it back is an error: %q", complaints)
					}
					h.forget()
				}
				h.expect("the friend", h.knock, friend, answered)
				h.expect("the friend", h.dial, friend, answered)
				h.client("set " + jail + " banip " + networks[0].String())
				h.client("unban --all")
				h.forget()
				h.stop()
			})
		})
	}
}

// addrNetworks returns networks around addresses.
func addrNetworks(who [2]netip.Addr) [2]netip.Prefix {
	v4, _ := who[0].Prefix(24)
	v6, _ := who[1].Prefix(112)
	return [2]netip.Prefix{v4, v6}
}

// TestUnbanWithOneSetGone: unban frees an address, whichever of the two sets is left.
func TestUnbanWithOneSetGone(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.serve()
		h.jails(asterisk(setAlone))
		h.start()
		for _, how := range []string{"set voipbl-asterisk unbanip " + attacker[0].String() + " " + attacker[1].String(), "unban --all"} {
			h.attack(attacker[:]...)
			h.banned(owns, attacker)
			h.expect("banned", h.knock, attacker, rejected)
			h.sh("ipset destroy " + sets[0] + "; ipset destroy " + sets[1])
			h.client(how)
			h.freed(owns, attacker)
			h.expect(how, h.knock, attacker, answered)
			h.sh("ipset create " + sets[0] + " hash:ip timeout 0; ipset create " + sets[1] + " hash:ip family inet6 timeout 0")
		}
		h.stop()
	})
}

// settled lists sets and rules once fail2ban has carried out what it was asked for: an action
// writes one after the other, so a listing in between is of neither state.
func (h *host) settled() (listing string) {
	h.Helper()
	h.eventually("sets and rules stay as they are", func() bool {
		before := listing
		listing = h.sh("iptables-save; ip6tables-save; ipset save | sed 's/ timeout [1-9].*//' | sort")
		return cut(listing) == cut(before)
	})
	return listing
}
