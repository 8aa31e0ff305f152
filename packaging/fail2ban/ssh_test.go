package fail2ban_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sshJail turns on the SSH jail, with an empty log: the client tells fail2ban whom to ban.
const sshJail = "[voipbl-ssh]\nenabled = true\nbackend = polling\nlogpath = DIR/messages\naction = voipbl-ssh[marks=DIR]\n"

// sshChain is the chain, besides fail2ban-ssh, in which voipbl-ssh rejects banned addresses.
const sshChain = "f2bs-voipbl-ssh"

// sshSets are the sets of the bans of that jail.
var sshSets = [2]string{sshChain, sshChain + "6"}

// banSSH bans addresses from SSH, and waits until they are banned.
func (h *host) banSSH(who ...string) {
	h.Helper()
	for _, a := range who {
		h.client("set voipbl-ssh banip " + a)
		addr := netip.MustParseAddr(a)
		h.eventually(a+" is banned", func() bool { return h.in(sshSets[0], addr) || h.in(sshSets[1], addr) })
	}
}

// TestSSH: addresses banned from SSH find the port closed, with voipbl's base rules and without.
func TestSSH(t *testing.T) {
	for _, base := range []string{"false", "true"} {
		t.Run("base "+base, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.protect(base)
				// Base rules let only the local network in; this rule lets in others above them.
				h.sh("for t in iptables ip6tables; do $t -I INPUT 2 -p tcp --dport 22 -j ACCEPT; $t -A OUTPUT -j ACCEPT; done")
				h.sh("voipbl sync")
				before := h.sh("iptables-save; ip6tables-save")
				h.serve()
				h.jails(sshJail)
				h.start()
				h.expect("before", h.dial, attacker, answered)

				h.banSSH(attacker[0].String(), attacker[1].String())
				h.expect("banned", h.dial, attacker, rejected)
				h.expect("banned", h.dial, bystander, answered)
				for f := range tables {
					want := append(drops(f),
						"-j "+sshChain,
					)
					if diff := cmp.Diff(want, h.rules(f, "INPUT")[:3]); diff != "" {
						h.Errorf("INPUT begins otherwise (-want +got):\n%s", diff)
					}
				}
				h.sh("voipbl firewall diff")

				h.client("unban " + attacker[0].String() + " " + attacker[1].String())
				h.expect("unbanned", h.dial, attacker, answered)
				h.banSSH(attacker[0].String(), attacker[1].String())
				h.stop()
				h.expect("stopped", h.dial, attacker, answered)
				if after := h.sh("iptables-save; ip6tables-save"); cut(after) != cut(before) {
					h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(before), cut(after)))
				}
				h.start()
				h.banned(sshSets, attacker)
				h.expect("restored", h.dial, attacker, rejected)
				h.stop()
			})
		})
	}
}

// TestKilled: a killed fail2ban takes nothing back, and on its next start forgets bans whose time is over.
// So the kernel ends each ban in time. Until then nobody gets in, even while fail2ban starts.
func TestKilled(t *testing.T) {
	h := newHost(t, "nft")
	h.serve()
	h.jails(strings.Replace(manual("short", "voipbl-ssh[marks=DIR]"), "1h", "40", 1) + sshJail)
	h.start()
	h.banSSH(bystander[0].String(), bystander[1].String())
	h.client("set short banip " + attacker[0].String() + " " + attacker[1].String())
	h.banned([2]string{"f2bs-short", "f2bs-short6"}, attacker)
	h.must(h.server.Process.Kill())
	h.server.Wait()
	h.eventually("the kernel ends the ban", func() bool {
		h.expect("banned for longer", h.dial, bystander, rejected)
		return h.dial(0, attacker[0]) == answered && h.dial(1, attacker[1]) == answered
	})
	h.sh("rm -f DIR/socket DIR/pid")
	h.start()
	h.eventually("fail2ban has restored the other", func() bool {
		h.expect("while fail2ban starts", h.dial, bystander, rejected)
		listed := h.client("get voipbl-ssh banip")
		return strings.Contains(listed, bystander[0].String()) && strings.Contains(listed, bystander[1].String())
	})
	h.stop()
	if left := h.sh("ipset save; iptables -S; ip6tables -S"); strings.Contains(left, "\nadd ") || strings.Contains(left, sshChain) {
		h.Errorf("after the stop there is\n%s", left)
	}
}

// TestSSHOfOthers: other programs' rules in the chain stay, and so does the chain. A removed jump comes
// back, and a ban that has already ended is no error.
func TestSSHOfOthers(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.sh(`for t in iptables ip6tables; do $t -N fail2ban-ssh; $t -A INPUT -p tcp --dport 2222 -j fail2ban-ssh; done
			iptables -A fail2ban-ssh -s 8.8.8.8 -j REJECT --reject-with icmp-port-unreachable
			ip6tables -A fail2ban-ssh -s 2a00:8::8 -j REJECT --reject-with icmp6-port-unreachable`)
		before := h.sh("iptables-save; ip6tables-save")
		h.jails(sshJail)
		h.serve()
		h.start()
		h.banSSH(bystander[0].String(), bystander[1].String(), attacker[0].String(), attacker[1].String())
		h.stop()
		if after := h.sh("iptables-save; ip6tables-save"); cut(after) != cut(before) {
			h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(before), cut(after)))
		}

		h.start()
		h.banned(sshSets, bystander)
		h.banned(sshSets, attacker)
		h.sh("iptables -F INPUT; ip6tables -F INPUT")
		h.expect("flushed", h.dial, bystander, answered)
		h.banSSH(newcomer[0].String(), newcomer[1].String())
		h.expect("a new ban", h.dial, bystander, rejected)
		h.expect("a new ban", h.dial, newcomer, rejected)
		if len(h.complaints()) == 0 {
			h.Error("fail2ban says nothing of what was taken away")
		}
		h.forget()
		h.sh("iptables -F fail2ban-ssh; ip6tables -F fail2ban-ssh")
		h.client("unban --all")
		h.stop()
		if left := h.sh("iptables -S; ip6tables -S"); strings.Contains(left, "-A") || strings.Contains(left, "fail2ban-ssh") || strings.Contains(left, sshChain) {
			h.Errorf("after the stop there is\n%s", left)
		}
	})
}
