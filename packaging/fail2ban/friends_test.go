package fail2ban_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/internal/testsshd"
)

// unknown is a line of the jail voipbl-asterisk-unknown, and patience60 how many of
// them it takes.
const (
	unknown    = "NOTICE[4711] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:100@pbx>' failed for '%s' (callid: 1) - No matching endpoint found"
	patience60 = 60
)

// unknownSets are what the second jail fills.
var unknownSets = [2]string{"fail2ban-UNKNOWN", "fail2ban-UNKNOWN6"}

// both turns on both jails for Asterisk; turning on the first turns on the second.
func both(more string) string {
	return asterisk(more) + "[voipbl-asterisk-unknown]\nbantime = 2h\n"
}

// agent runs voipbl's agent until the test ends.
func (h *host) agent() {
	h.Helper()
	agent := exec.Command("unshare", "-m", "sh", "-c", "mount --bind "+h.path("hosts")+" /etc/hosts && exec voipbl run")
	agent.Env = h.env
	agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	h.must(agent.Start())
	h.Cleanup(func() { agent.Process.Signal(syscall.SIGTERM); agent.Wait() })
	h.eventually("the agent answers", func() bool { _, err := os.Stat(h.path("run/agent.sock")); return err == nil })
}

// TestFriends: an exempt address is never banned, however many lines there are about it, by either jail
// or action, with an agent and without. Others are.
func TestFriends(t *testing.T) {
	for _, test := range []struct {
		name, action string
		agent        bool
	}{
		{"set", "", false},
		{"set beside the agent", "", true},
		{"ban", "action = voipbl-ban[marks=DIR]\n", false},
		{"ban beside the agent", "action = voipbl-ban[marks=DIR]\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, "nft")
			h.protect("true")
			if test.agent {
				h.agent()
			}
			h.serve()
			h.jails(both(test.action))
			h.start()
			for _, who := range friends {
				h.attack(who[:]...)
				h.tell(patience60, unknown, who[:]...)
			}
			// Each jail reads in order: once these are banned, it has read all of it.
			h.attack(attacker[:]...)
			h.tell(patience60, unknown, bystander[:]...)
			h.banned(unknownSets, bystander)
			if test.action == "" {
				h.banned(sets, attacker)
				h.bannedAsShipped(attacker)
			} else {
				h.eventually("voipbl bans them", func() bool {
					bans := h.sh("voipbl bans")
					return strings.Contains(bans, attacker[0].String()) && strings.Contains(bans, "2a00:8:")
				})
				h.expect("banned", h.knock, attacker, silent)
			}
			h.bannedAsShipped(bystander)
			for _, who := range friends {
				h.free(who)
			}
			if log := h.read("fail2ban.log"); !strings.Contains(log, "[voipbl-asterisk-unknown] Ignore 7.7.7.7 by command") {
				h.Errorf("fail2ban says nothing of whom it ignores:\n%s", log)
			}
			h.stop()
		})
	}
}

// bannedAsShipped checks the effect of the jails' own actions: over IPv4 the port seems closed, over
// IPv6 there is no answer.
func (h *host) bannedAsShipped(who [2]netip.Addr) {
	h.Helper()
	for f, want := range [2]string{rejected, silent} {
		h.eventually(who[f].String()+" is "+want, func() bool { return h.knock(f, who[f]) == want })
	}
}

// free checks that neither fail2ban nor voipbl blocks an address.
func (h *host) free(who [2]netip.Addr) {
	h.Helper()
	for f, a := range who {
		for _, set := range []string{sets[f], unknownSets[f], listed[f]} {
			if h.in(set, a) {
				h.Errorf("%s is in %s", a, set)
			}
		}
		if bans := h.sh("voipbl bans"); strings.Contains(bans, a.String()+" ") {
			h.Errorf("%s is banned:\n%s", a, bans)
		}
	}
	h.expect("a friend", h.knock, who, answered)
}

// logIn has somebody log in by SSH until the test ends.
func (h *host) logIn(from netip.Addr) {
	h.Helper()
	testskip.UnlessRoot(h)
	server, err := testsshd.Start(h.TempDir(), netip.AddrPortFrom(pbx[0], 2222))
	h.must(err)
	h.Cleanup(server.Close)
	var session *testsshd.Session
	h.others[from].Do(func() { session, err = server.Login(from) })
	h.must(err)
	h.Cleanup(func() { session.Close() })
}

// TestFriendByHand: the actions ask too, for bans by hand and by other jails. The log says once why
// nothing has happened.
func TestFriendByHand(t *testing.T) {
	h := newHost(t, "nft")
	h.protect("false")
	h.serve()
	h.jails(asterisk("action = voipbl-set[marks=DIR]") + sshJail +
		"[others]\nenabled = true\nfilter = voipbl-asterisk\nbackend = polling\nlogpath = DIR/messages\nmaxretry = 12\naction = voipbl-set[marks=DIR, set=theirs]\n")
	h.start()
	h.logIn(newcomer[0])
	h.attack(newcomer[0])
	h.attack(friends[1][:]...)
	h.attack(attacker[:]...)
	h.banned([2]string{"theirs", "theirs6"}, attacker)
	h.banned(sets, attacker)
	for _, a := range trunk {
		h.client("set voipbl-asterisk banip " + a.String())
		h.client("set voipbl-ssh banip " + a.String())
		for _, jail := range []string{"voipbl-asterisk", "voipbl-ssh", "others"} {
			h.eventually(jail+" refuses "+a.String(), func() bool {
				return strings.Count(h.read("fail2ban.log"), "stderr: '"+a.String()+" is exempt, so it is not banned") == 3
			})
		}
	}
	h.free(trunk)
	h.expect("a friend", h.dial, trunk, answered)
	if h.in(sets[0], newcomer[0]) || h.in("theirs", newcomer[0]) {
		h.Errorf("%s is logged in by SSH, and banned", newcomer[0])
	}
	for f, a := range trunk {
		if h.in([2]string{"theirs", "theirs6"}[f], a) {
			h.Errorf("%s is banned by the jail of others", a)
		}
	}

	// Bans that fail2ban restores when it starts are asked about again.
	h.forget()
	h.client("stop")
	h.server.Wait()
	h.sh("sed -i 's/^allow: .*/allow: [8.8.8.8, \"2a00:8::8\"]/' DIR/voipbl.yaml")
	h.start()
	h.tell(12, strings.Replace(unknown, "No matching endpoint found", "Failed to authenticate", 1), bystander[:]...)
	h.banned(sets, bystander)
	h.free(attacker)
	h.forget()
	h.client("stop")
	h.server.Wait()
}

// TestNobodyKnows: if voipbl cannot say, in three tries, who is exempt, the attacker is banned. If voipbl
// is missing, nobody is banned, since nobody would unban a friend. The log says so once for each. A host
// that is short of memory does not count as one without voipbl.
func TestNobodyKnows(t *testing.T) {
	h := newHost(t, "nft")
	h.write("voipbl.yaml", "allow: 6.6.6.6.6\nstate_dir: DIR/nothing\nrun_dir: DIR/run\n")
	h.serve()
	h.write("sealed", "#!/bin/sh\n")          // which may not be run
	h.write("short", "#!/bin/sh\nexit 126\n") // what timeout(1) answers where it cannot be run now
	if err := os.Chmod(h.dir+"/short", 0o755); err != nil {
		t.Fatal(err)
	}
	jail := "[%s]\nenabled = true\nfilter = voipbl-asterisk\nbackend = polling\nlogpath = DIR/messages\nmaxretry = 12\naction = voipbl-set[marks=DIR, set=%[1]s, voipbl=DIR/%[1]s]\n"
	h.jails(asterisk("action = voipbl-set[marks=DIR]") + fmt.Sprintf(jail, "gone") + fmt.Sprintf(jail, "sealed") + fmt.Sprintf(jail, "short"))
	h.start()
	h.attack(attacker[:]...)
	h.banned(sets, attacker)
	for f, a := range attacker {
		for _, jail := range []string{"gone", "sealed"} {
			said := "stderr: 'voipbl is missing, so nobody can say whether " + a.String() + " is exempt, and it is not banned: install voipbl, or turn the jail " + jail + " off'"
			h.eventually(jail+" bans nobody, and says so", func() bool { return strings.Count(h.read("fail2ban.log"), said) == 1 })
			for _, name := range []string{jail, "own-" + jail} {
				if h.in([2]string{name, name + "6"}[f], a) {
					h.Errorf("%s is in %s", a, name)
				}
			}
		}
		h.eventually("the jail short bans "+a.String(), func() bool { return h.in([2]string{"own-short", "own-short6"}[f], a) })
		h.eventually("the log tells of "+a.String()+" for either jail", func() bool {
			return strings.Count(h.read("fail2ban.log"), "stderr: 'voipbl cannot say whether "+a.String()+" is exempt: it is banned'") == 2
		})
	}
	h.expect("banned", h.knock, attacker, rejected)
	h.forget()
	h.client("stop")
	h.server.Wait()
}
