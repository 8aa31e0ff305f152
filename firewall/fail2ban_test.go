package firewall

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testfail2ban"
	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// fail2ban is a real one, in a host's namespace and with its own configuration: Debian's filter for
// Asterisk and Debian's actions.
type fail2ban struct {
	h      *host
	dir    string
	server *exec.Cmd
}

// The two usual ways to ban with fail2ban: rules in a chain, and members of a set. For each, the stock
// action "dummy" writes a line to a file once the ban is in the kernel.
const jails = `[DEFAULT]
backend = polling
usedns = no
ignoreself = false
ignoreip =
maxretry = 2
findtime = 1d
bantime = 1h
filter = asterisk
enabled = true
logpath = DIR/messages.log

[chain]
action = iptables-multiport[name=asterisk, port="5060,5061", protocol="udp"]
	dummy[target=DIR/chain.bans]

[set]
action = asterisk-set[name=ASTERISK, type=multiport, port="5060,5061", protocol="tcp,udp"]
	dummy[target=DIR/set.bans]
`

// setAction is the stock action for sets, with the set names of the published ruleset, and with bans that
// the kernel ends.
const setAction = `[INCLUDES]
before = iptables-ipset.conf
[Init]
ipmset = fail2ban-ASTERISK
ipsettime = 3600
[Init?family=inet6]
ipmset = fail2ban-ASTERISK6
`

// patience is how long a fail2ban may take on a busy machine.
const patience = time.Minute

// newFail2ban writes the configuration. Debian's own is only read.
func newFail2ban(h *host) *fail2ban {
	h.Helper()
	b := &fail2ban{h: h, dir: testfail2ban.New(h, map[string]string{
		"jail.conf": jails, "action.d/asterisk-set.conf": setAction, "messages.log": "",
	})}
	return b
}

// start runs the server until stop, or until the test ends. Its files are still empty.
func (b *fail2ban) start() {
	b.h.Helper()
	for _, name := range []string{"chain.bans", "set.bans", "fail2ban.log"} {
		testfail2ban.Write(b.h, b.dir, name, "")
	}
	b.server = testfail2ban.Start(b.h, b.h.env, testfail2ban.Options(b.dir, b.dir)...)
}

// stop ends the server as its service does, and waits until it has taken back its bans.
func (b *fail2ban) stop() {
	b.h.Helper()
	timer := time.AfterFunc(patience, func() { b.server.Process.Kill() })
	defer timer.Stop()
	if err := b.server.Process.Signal(syscall.SIGTERM); err != nil {
		b.h.Fatal(err)
	}
	if err := b.server.Wait(); err != nil {
		b.h.Fatalf("fail2ban: %v\n%s", err, b.log())
	}
}

// attack writes wrong passwords into Asterisk's log.
func (b *fail2ban) attack(attackers ...netip.Addr) {
	b.h.Helper()
	log, err := os.OpenFile(filepath.Join(b.dir, "messages.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.h.Fatal(err)
	}
	defer log.Close()
	for _, a := range attackers {
		for range 3 {
			if _, err := fmt.Fprintf(log, "[%s] NOTICE[4711] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:100@pbx>' failed for '%s' (callid: 1) - No matching endpoint found\n",
				time.Now().Format("2006-01-02 15:04:05"), a); err != nil {
				b.h.Fatal(err)
			}
		}
	}
}

// banned waits until the kernel has the bans, in both ways.
func (b *fail2ban) banned(attackers ...netip.Addr) {
	b.h.Helper()
	for _, file := range []string{"chain.bans", "set.bans"} {
		for _, a := range attackers {
			if !waitForLine(b.h, filepath.Join(b.dir, file), "+"+a.String()) {
				b.h.Fatalf("%s is not banned. fail2ban said:\n%s", a, b.log())
			}
		}
	}
}

// waitForLine waits until a file has a line.
func waitForLine(h *host, file, line string) bool {
	h.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		h.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, file, unix.IN_MODIFY); err != nil {
		h.Fatal(err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		text, err := os.ReadFile(file)
		if err != nil {
			h.Fatal(err)
		}
		if slices.Contains(strings.Split(string(text), "\n"), line) {
			return true
		}
		wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, int(time.Until(deadline).Milliseconds())+1); err != nil && err != unix.EINTR {
			h.Fatal(err)
		}
		if wait[0].Revents != 0 {
			unix.Read(fd, make([]byte, 4096))
		}
	}
	return false
}

func (b *fail2ban) log() string {
	text, _ := os.ReadFile(filepath.Join(b.dir, "fail2ban.log"))
	return string(text)
}

// complaints returns the lines in which fail2ban says that one of its commands failed.
func (b *fail2ban) complaints() []string {
	return regexp.MustCompile(`(?m)^.* (ERROR|CRITICAL) .*$`).FindAllString(b.log(), -1)
}

// TestFail2ban has a real fail2ban ban, with voipbl's rules applied before and afterwards. From the first
// ban to the end, neither disturbs the other.
func TestFail2ban(t *testing.T) {
	first := []netip.Addr{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:9::9")}
	second := []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8:9::10")}
	onEachBackend(t, func(h *host) {
		b := newFail2ban(h)
		h.load(bans)
		h.apply(testrules.Full().Wanted())
		b.attack(first...)
		b.start()
		b.banned(first...)

		// It has put its rules above voipbl's, once.
		moved := h.plan(testrules.Full().Wanted())
		for _, f := range iptables.Families {
			if len(moved[f].Changes) != 2 || moved[f].Changes[0].Op != OpMove || len(moved[f].Changes[0].Others) != 3 {
				h.Fatalf("%s: after the first ban the plan has %q", f, linesOf([2]*Plan{moved[f]}))
			}
		}
		before := h.surroundingsOf(b, first)
		for _, step := range []struct {
			name, script string
			want         ruleset.Wanted
		}{
			{"move", "", testrules.Full().Wanted()},
			{"repair", "IPT -D INPUT 1; IPT -F VOIPBL-INPUT", testrules.Full().Wanted()},
			{"switch to prerouting", "", testrules.AtPrerouting(testrules.Everything()).Wanted()},
			{"switch back", "", testrules.Full().Wanted()},
		} {
			h.inBoth(step.script)
			if done := h.apply(step.want); len(Changes(done.Plans)) == 0 {
				h.Errorf("%s: no changes", step.name)
			}
			if diff := diff(before, h.surroundingsOf(b, first)); diff != "" {
				h.Fatalf("%s: what fail2ban has is not as it was (-before +after):\n%s", step.name, diff)
			}
		}

		// It goes on banning below voipbl's drop, and does not move up again.
		b.attack(second...)
		b.banned(second...)
		after := h.surroundingsOf(b, slices.Concat(first, second))
		if after == before {
			h.Error("a second ban has changed nothing")
		}
		if changes := Changes(h.plan(testrules.Full().Wanted())); len(changes) != 0 {
			h.Errorf("after a second ban the plan has %q", changes)
		}

		// When it stops, it cannot destroy sets that voipbl's rules refer to, and when it starts it
		// uses them again.
		b.stop()
		if complaints := b.complaints(); len(complaints) == 0 {
			h.Error("fail2ban has destroyed sets that rules refer to, or does not try any more")
		}
		if sets := h.sh("ipset save"); !strings.Contains(sets, "create "+ruleset.BanSet+" ") || !strings.Contains(sets, "create "+ruleset.BanSet6+" ") || strings.Contains(sets, "add ") {
			h.Errorf("after fail2ban has stopped the sets are\n%s", sets)
		}
		if changes := Changes(h.plan(testrules.Full().Wanted())); len(changes) != 0 {
			h.Errorf("after fail2ban has stopped the plan has %q", changes)
		}
		b.start()
		b.banned(slices.Concat(first, second)...)

		// Without voipbl it still has all its rules, and removes them without a complaint.
		after = h.surroundingsOf(b, slices.Concat(first, second))
		h.apply(ruleset.Wanted{})
		if diff := diff(after, h.surroundingsOf(b, slices.Concat(first, second))); diff != "" {
			h.Errorf("removal: what fail2ban has is not as it was (-before +after):\n%s", diff)
		}
		b.stop()
		if complaints := b.complaints(); len(complaints) != 0 {
			h.Errorf("fail2ban complains:\n%s", strings.Join(complaints, "\n"))
		}
		for _, f := range iptables.Families {
			if got, want := uncounted(h.dump(f)), strings.Replace(bare, "COMMIT", strings.Join([]string{
				words[f].Replace("-A fail2ban-ssh -s HOST -j DROP"),
				words[f].Replace("-A fail2ban-ssh -s TRUNK -j ") + refusal[f],
				"-A fail2ban-ssh -j RETURN\nCOMMIT",
			}, "\n"), 1); got != want {
				h.Errorf("%s: after fail2ban has stopped there is:\n%s", f, got)
			}
		}
		if sets := h.sh("ipset list -name"); strings.Contains(sets, "ASTERISK") {
			h.Errorf("after fail2ban has stopped there are the sets\n%s", sets)
		}
	})
}

// surroundingsOf returns what others have, and fails if the bans are missing.
func (h *host) surroundingsOf(b *fail2ban, attackers []netip.Addr) string {
	h.Helper()
	d := h.dumps()
	sets := ticking.ReplaceAllString(h.sh("ipset save"), "timeout N")
	for _, a := range attackers {
		f := iptables.IPv4
		if a.Is6() {
			f = iptables.IPv6
		}
		if rule := "-s " + netip.PrefixFrom(a, a.BitLen()).String() + " -j " + refusal[f]; !slices.Contains(rulesOf(d[f], "filter", "f2b-asterisk"), rule) {
			h.Fatalf("%s is not banned in the chain:\n%s", a, d[f])
		}
		if !strings.Contains(sets, "add "+ruleset.BanSetName(f)+" "+a.String()+" timeout N\n") {
			h.Fatalf("%s is not in the set:\n%s", a, sets)
		}
	}
	return strings.Join([]string{foreign(d[iptables.IPv4]), foreign(d[iptables.IPv6]), sets}, "----\n")
}

// refusal is the target of fail2ban's and voipbl's rules that answer the sender.
var refusal = [2]string{"REJECT --reject-with icmp-port-unreachable", "REJECT --reject-with icmp6-port-unreachable"}
