package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// refusedRule is accepted by the tools, even with --test, and by the kernel only in the table nat.
const refusedRule = `-p udp -m comment --comment "voipbl: refused by the kernel" -j MASQUERADE`

// withRefused returns rules that have it in the base chain of some families.
func withRefused(s ruleset.Settings, families ...iptables.Family) ruleset.Wanted {
	want := s.Wanted()
	for _, f := range families {
		for i := range want[f] {
			for j := range want[f][i].Chains {
				if c := &want[f][i].Chains[j]; c.Name == iptables.BaseChain {
					c.Rules = slices.Insert(slices.Clone(c.Rules), 5, refusedRule)
				}
			}
		}
	}
	return want
}

// TestRolledBack has the kernel refuse one family or one table after others have been changed, for
// everything that voipbl may have had there before. That family's rules and their counts are as they were;
// the other's are as wanted.
func TestRolledBack(t *testing.T) {
	noBase, logged := testrules.DropOnly(), testrules.DropOnly()
	logged.LogDrops, logged.DropOutbound = ruleset.LogKernel, true
	changed := testrules.Full()
	changed.Base.Services = changed.Base.Services[3:]
	for _, c := range []struct {
		name   string
		before *ruleset.Settings // nil for nothing of voipbl's
		drift  string            // what others did afterwards
		want   ruleset.Settings
	}{
		{"from nothing", nil, "", testrules.Everything()},
		{"from nothing to two tables", nil, "", testrules.AtPrerouting(testrules.Everything())},
		{"from the drop", &noBase, "", testrules.Full()},
		{"from the drop to the other table", &noBase, "", testrules.AtPrerouting(testrules.Full())},
		{"from the drop with a log", &logged, "", testrules.Full()},
		{"from other base rules to the other table", new(testrules.Full()), "", testrules.AtPrerouting(changed)},
		{"from another table", new(testrules.AtPrerouting(testrules.Everything())), "", changed},
		{"from rules that are to be moved", new(testrules.Full()), "IPT -I INPUT -s HOST -j ACCEPT; IPT -A INPUT -p esp -j ACCEPT", changed},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.load(residents)
				if c.before != nil {
					h.apply(c.before.Wanted())
				}
				h.inBoth(c.drift)
				h.seedCounters()
				refuse := [][]iptables.Family{{iptables.IPv6}}
				if c.before == nil && c.want.DropAt == ruleset.AtPrerouting {
					refuse = [][]iptables.Family{{iptables.IPv4, iptables.IPv6}, {iptables.IPv4}}
				}
				for _, families := range refuse {
					all := h.kept()
					done, err := h.try(withRefused(c.want, families...))
					var refused *ToolError
					if !errors.As(err, &refused) {
						h.Fatalf("%v refused: %v", families, err)
					}
					if !strings.Contains(refused.Text, refusedRule) || !strings.Contains(refused.Numbered(), "VOIPBL-INPUT") {
						h.Errorf("%v refused: the text is\n%s", families, refused.Numbered())
					}
					var before, after [2]string
					now := h.kept()
					for _, f := range families {
						before[f], after[f] = all[f], now[f]
					}
					if c.drift != "" {
						// What is put back is in its proper place again.
						before, after = inOrder(before), inOrder(after)
					}
					if diff := diff(before, after); diff != "" {
						h.Fatalf("%v refused: not as it was (-before +after):\n%s", families, diff)
					}
					if len(families) == 1 {
						h.partly(err, done, c.want.Wanted(), families[0])
					}
				}
				// Without that rule, the same apply succeeds.
				h.apply(c.want.Wanted())
			})
		})
	}
}

// TestSecondTableRefused moves the drop to the other table, in both directions, and has the kernel or the
// tool refuse the second table of one family or of both, or kills the tool in between: the first table has
// been committed by then. What was there is put back, with its counts. If the tool is killed at that, too,
// the error says so, the drop stands somewhere all the same, and as soon as nothing is refused any more the
// same apply succeeds, as does one of what was there.
func TestSecondTableRefused(t *testing.T) {
	input := testrules.Everything()
	input.Base.Services = input.Base.Services[3:]
	places := map[string][2]ruleset.Settings{
		"to raw":    {input, testrules.AtPrerouting(testrules.Everything())},
		"to filter": {testrules.AtPrerouting(testrules.Everything()), input},
		"the drop":  {testrules.DropOnly(), testrules.AtPrerouting(testrules.DropOnly())},
	}
	for _, b := range []Backend{NFT, Legacy} {
		for i, c := range []struct {
			place, by string
			families  []iptables.Family
			broken    bool
		}{
			{"to raw", "kernel", []iptables.Family{iptables.IPv4}, false},
			{"to raw", "kernel", []iptables.Family{iptables.IPv6}, true},
			{"to raw", "tool", []iptables.Family{iptables.IPv4, iptables.IPv6}, false},
			{"to raw", "tool", []iptables.Family{iptables.IPv4}, true},
			{"to raw", "killed", nil, false},
			{"to raw", "killed", nil, true},
			{"to filter", "kernel", []iptables.Family{iptables.IPv6}, false},
			{"to filter", "kernel", []iptables.Family{iptables.IPv4, iptables.IPv6}, true},
			{"to filter", "tool", []iptables.Family{iptables.IPv6}, true},
			{"to filter", "tool", []iptables.Family{iptables.IPv4}, false},
			{"to filter", "killed", nil, false},
			{"to filter", "killed", nil, true},
			{"the drop", "kernel", []iptables.Family{iptables.IPv4, iptables.IPv6}, true},
		} {
			name := fmt.Sprint(b, "/", c.place, ", ", c.by, " ", c.families)
			if c.broken {
				name += ", not put back"
			}
			t.Run(name, func(t *testing.T) {
				h := newHost(t, b)
				restores := testrules.NewRestores(t, string(b))
				h.load(residents)
				old, next := places[c.place][0].Wanted(), places[c.place][1].Wanted()
				h.apply(old)
				h.seedCounters()
				before := h.kept()
				want, refused := next, c.families
				if c.by == "killed" {
					restores.KillHalfway(t, true)
					refused = iptables.Families[:]
				} else {
					want = testrules.SecondRefused(next, c.by, c.families...)
				}
				restores.Break(t, c.broken)
				done, err := h.try(want)
				var tool *ToolError
				if !errors.As(err, &tool) || tool.Remedy() == "" {
					t.Fatalf("got %v", err)
				}
				half := c.broken && !(b == Legacy && c.by == "tool") // legacy's own test finds it before any change
				for _, f := range iptables.Families {
					failed := slices.Contains(refused, f)
					if !failed {
						h.partly(err, done, next, refused[0])
						continue
					}
					if done.Failed[f] == nil || strings.Contains(done.Failed[f].Error(), "could not be put back") != half {
						t.Errorf("%s: %v", f, done.Failed[f])
					}
					saved := h.read()[f]
					for _, set := range []string{testrules.DropOnly().Sets[f], testrules.DropOnly().BanSets[f]} {
						if drops := saved.DropRules(set); len(drops) != map[bool]int{false: 1, true: 2}[half] || drops[0].Bypassed() {
							t.Errorf("%s: %s is dropped by %+v", f, set, drops)
						}
					}
					if diff := diff(before[f], h.kept()[f]); !half && diff != "" {
						t.Errorf("%s: not as it was (-before +after):\n%s", f, diff)
					}
				}
				restores.Break(t, false)
				restores.KillHalfway(t, false)
				if i%2 == 0 {
					h.apply(old)
					for f, now := range h.rules() {
						if diff := diff(uncounted(before[f]), now); diff != "" {
							t.Errorf("what was there is not there again (-before +after):\n%s", diff)
						}
					}
				}
				if c.by == "tool" { // as its remedy does
					h.sh("ipset create voip_missing hash:net; ipset create voip_missing6 hash:net family inet6")
				} else {
					want = next
				}
				h.apply(want)
				h.unchanged(want)
			})
		}
	}
}

// TestRefusedUnderTraffic has packets counted between two listings. That is no change by another program, and
// no reason to try five times.
func TestRefusedUnderTraffic(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.apply(testrules.DropOnly().Wanted())
		h.sh("ipset add voip_bl 127.0.0.0/8")
		stop := h.traffic()
		_, err := h.try(withRefused(testrules.Full(), iptables.IPv4))
		stop()
		if n := packetsIn(h.dump(iptables.IPv4), "INPUT"); n == 0 {
			h.Fatal("no packet was counted")
		}
		var refused *ToolError
		if !errors.As(err, &refused) {
			h.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), "another program") {
			h.Errorf("others are blamed: %v", err)
		}
	})
}

// traffic sends packets to this host until it is stopped. The socket belongs to the host's namespace, so its
// packets do too, whichever goroutine sends them.
func (h *host) traffic() (stop func()) {
	h.Helper()
	conn, err := net.Dial("udp", "127.0.0.1:5060")
	if err != nil {
		h.Fatal(err)
	}
	var sender sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	sender.Go(func() {
		for ctx.Err() == nil {
			conn.Write([]byte("x")) // dropped, so nobody answers
		}
	})
	return sync.OnceFunc(func() { cancel(); sender.Wait(); conn.Close() })
}

// TestToolKilled kills the tool of IPv6, as the kernel does when memory is short, after IPv4 has been
// changed.
func TestToolKilled(t *testing.T) {
	for _, b := range []Backend{NFT, Legacy} {
		t.Run(string(b), func(t *testing.T) {
			h := newHost(t, b)
			h.load(residents)
			h.apply(testrules.DropOnly().Wanted())
			h.seedCounters()
			before := h.kept()

			tool := h.fw.tool(iptables.IPv6, "restore")
			program, err := findTool(tool)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			script := "#!/bin/sh\ncase \"$*\" in *--test*) exec " + program + " \"$@\";; esac\ncat >/dev/null\nkill -KILL $$\n"
			if err := os.WriteFile(filepath.Join(dir, tool), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			done, err := h.try(testrules.Full().Wanted())
			var refused *ToolError
			if !errors.As(err, &refused) || refused.Code != -1 || !strings.HasPrefix(refused.Tool, tool) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), "without a word") {
				t.Errorf("got %v", err)
			}
			if diff := diff(before[iptables.IPv6], h.kept()[iptables.IPv6]); diff != "" {
				t.Errorf("not as it was (-before +after):\n%s", diff)
			}
			h.partly(err, done, testrules.Full().Wanted(), iptables.IPv6)
		})
	}
}

// TestCancelled begins with an ended context.
func TestCancelled(t *testing.T) {
	onEachBackend(t, func(h *host) {
		saved := h.read()
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		if _, err := h.fw.Apply(ctx, testrules.Full().Wanted(), saved, nil); !errors.Is(err, context.Canceled) {
			h.Errorf("apply: %v", err)
		}
		if _, err := h.fw.Read(ctx); !errors.Is(err, context.Canceled) {
			h.Errorf("read: %v", err)
		}
		if got := h.dumps(); got != [2]string{} {
			h.Errorf("there is now\n%s", got)
		}
	})
}

// TestChainInUse removes voipbl's rules while other programs' rules go to one of its chains. The kernel
// refuses to delete it; it stays, and so do those rules.
func TestChainInUse(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.load(residents)
		h.apply(testrules.Everything().Wanted())
		before := h.dumps()
		h.inBoth("IPT -A f2b-sshd -s LAN -j VOIPBL-INPUT; IPT -A VOIPBL-INPUT -p esp -j VOIPBL-DROP; IPT -A FORWARD -p gre -g VOIPBL-INPUT")
		staged := h.dumps()
		done := h.apply(ruleset.Wanted{})
		after := h.dumps()
		for _, f := range iptables.Families {
			if diff := diff(foreign(staged[f]), foreign(after[f])); diff != "" {
				h.Errorf("%s: what others have is not as it was (-before +after):\n%s", f, diff)
			}
			want := append(rulesOf(before[f], "filter", iptables.BaseChain), "-p esp -j VOIPBL-DROP")
			if got := rulesOf(after[f], "filter", iptables.BaseChain); !slices.Equal(got, want) {
				h.Errorf("%s: the chain has %q", f, got)
			}
			if strings.Contains(uncounted(after[f]), "-A INPUT -m set") || slices.Contains(rulesOf(after[f], "filter", "INPUT"), jumpHook) {
				h.Errorf("%s: our rules are still there:\n%s", f, after[f])
			}
			stays := strings.Join(done.Plans[f].Stays, "\n")
			for _, user := range []string{"-A f2b-sshd " + words[f].Replace("-s LAN -j VOIPBL-INPUT"), "-A FORWARD -p gre -g VOIPBL-INPUT", "-A VOIPBL-INPUT -p esp -j VOIPBL-DROP"} {
				if !strings.Contains(stays, user) {
					h.Errorf("%s: %s is not named: %s", f, user, stays)
				}
			}
		}
		h.unchanged(ruleset.Wanted{})
		if users := ReadUsers(h.Context()).OfChains(); len(users) < 4 {
			h.Errorf("users of our chains: %q", users)
		}
		// It is deleted once nothing uses it any more.
		h.inBoth("IPT -D f2b-sshd 3; IPT -D FORWARD 2")
		h.apply(ruleset.Wanted{})
		for f, dump := range h.dumps() {
			if strings.Contains(dump, "VOIPBL-") {
				h.Errorf("%s: left:\n%s", iptables.Family(f), dump)
			}
		}
	})
}

// TestLockedApply: if the lock of legacy iptables is held, an apply soon gives up, since somebody is waiting,
// and does not say that others undo its changes.
func TestLockedApply(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	t.Setenv("XTABLES_LOCKFILE", file)
	h := newHost(t, Legacy)
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	before := h.dumps()
	begun := time.Now()
	_, err = h.try(testrules.DropOnly().Wanted())
	waited := time.Since(begun)
	each, convErr := strconv.Atoi(lockWait)
	if times := int(waited.Seconds()) / each; convErr != nil || times > 2 {
		t.Errorf("waited %s for the lock, %d times the %s s of a tool: %v", waited, times, lockWait, convErr)
	}
	var refused *ToolError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &refused) || !strings.Contains(refused.Said, "xtables lock") || !strings.Contains(refused.Remedy(), "fuser -v /run/xtables.lock") {
		t.Errorf("got %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "undoes") {
		t.Errorf("others are blamed for more than a lock: %v", err)
	}
	if diff := diff(before, h.dumps()); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	h.apply(testrules.DropOnly().Wanted())
}

// inOrder sorts the lines of two dumps.
func inOrder(dumps [2]string) [2]string {
	for f, d := range dumps {
		dumps[f] = strings.Join(slices.Sorted(strings.Lines(d)), "")
	}
	return dumps
}

// partly checks that one family alone was refused, and that the other is as wanted.
func (h *host) partly(err error, done *Applied, want ruleset.Wanted, refused iptables.Family) {
	h.Helper()
	partly, yes := Partly(err)
	if !yes || partly.Family != refused || done.Failed[refused] == nil || done.Failed[iptables.IPv6-refused] != nil {
		h.Errorf("%s was refused: %v", refused, err)
	}
	other := iptables.IPv6 - refused
	if p := h.fw.Plan(want, h.read(), done.Readback)[other]; !p.Unchanged() {
		h.Errorf("%s is not as wanted: %v", other, p.Changes)
	}
}
