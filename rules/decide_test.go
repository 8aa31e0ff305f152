package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// The configurations of the tables. They also stand for what the kernel holds: the rules that
// one of them asks for.
const (
	dropOnly = "firewall: {base: false}"
	baseOn   = "firewall: {base: true, local_networks: [10.0.0.0/8, \"fd00::/48\"]}"
	baseOld  = "firewall: {base: true, local_networks: [192.168.0.0/16, \"fd01::/48\"]}"
	noRules  = "firewall: {drop_at: none}"
	nothing  = ""
)

// dropOf returns the rules that a configuration asks for besides the base rules.
func dropOf(cfg config.Config) ruleset.Settings {
	p := placing{dropAt: cfg.Firewall.DropAt, base: cfg.Firewall.Base}
	return p.place().of(ruleset.Settings{Sets: [2]string{"voip_bl", "voip_bl6"}, BanSets: [2]string{"voip_ban", "voip_ban6"}})
}

// baseOf returns a configuration's base rules.
func baseOf(t *testing.T, yaml string) *ruleset.Base {
	return settings.BaseSettings(testvalue.Config(t, yaml), nil)
}

// inKernel returns what the kernel lists once it has the rules of a configuration.
func inKernel(t *testing.T, yaml string) (saved [2]*iptables.Saved) {
	t.Helper()
	var want ruleset.Wanted
	if yaml != nothing {
		cfg := testvalue.Config(t, yaml)
		want = withBase(dropOf(cfg), settings.BaseSettings(cfg, nil))
	}
	return listed(t, want)
}

// listed returns what the kernel lists once it has these rules.
func listed(t *testing.T, want ruleset.Wanted) (saved [2]*iptables.Saved) {
	t.Helper()
	for _, f := range iptables.Families {
		var b strings.Builder
		for _, table := range want[f] {
			fmt.Fprintf(&b, "*%s\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n", table.Name)
			for _, chain := range table.Needs {
				fmt.Fprintf(&b, ":%s - [0:0]\n", chain)
			}
			for _, c := range table.Chains {
				fmt.Fprintf(&b, ":%s - [0:0]\n", c.Name)
			}
			for _, last := range []bool{false, true} {
				for _, h := range table.Hooks {
					if h.Last == last {
						fmt.Fprintf(&b, "-A %s %s\n", h.Chain, h.Rule)
					}
				}
			}
			for _, c := range table.Chains {
				for _, rule := range c.Rules {
					fmt.Fprintf(&b, "-A %s %s\n", c.Name, rule)
				}
			}
			b.WriteString("COMMIT\n")
		}
		var err error
		if saved[f], err = iptables.ParseSaved(f, []byte(b.String())); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
	}
	return saved
}

// standing builds want and sight for a table's row.
func standing(t *testing.T, yaml, kernel string, s State, stateErr error) (want, *sight) {
	cfg := testvalue.Config(t, yaml)
	if s.Pending != nil {
		s.Pending.Before = []OwnRules{}
	}
	return wantOf(cfg, nil, How{}), &sight{fw: &firewall.Firewall{Backend: firewall.NFT}, saved: inKernel(t, kernel), state: s, stateErr: stateErr, pending: &PendingReport{}, goesOn: s.Pending != nil, drop: dropOf(cfg), place: placing{dropAt: cfg.Firewall.DropAt}}
}

// short sums a decision up on a line: what becomes of the base rules, which of voipbl's rules
// change (in one family; the other must be the same), and why it does no more.
func short(t *testing.T, w want, d *Decision) string {
	t.Helper()
	words := []string{"no base"}
	switch {
	case d.none:
		words[0] = "theirs"
	case d.base != nil:
		words[0] = "base"
	case HasBase(d.want) && !slices.ContainsFunc(firewall.Changes(d.plans), firewall.Change.Base):
		words[0] = "base stays"
	case HasBase(d.want):
		words[0] = "base of before"
	}
	var changes [2][]string
	for f, plan := range d.plans {
		for _, c := range plan.Changes {
			what := "drop"
			if c.Base() || c.Chain == iptables.SSHChain { // which they need
				what = "base"
			}
			if word := map[firewall.Op]string{firewall.OpAdd: "+", firewall.OpCreate: "+", firewall.OpRemove: "-", firewall.OpDelete: "-"}[c.Op] + what; !slices.Contains(changes[f], word) {
				changes[f] = append(changes[f], word)
			}
		}
		slices.Sort(changes[f])
	}
	if !slices.Equal(changes[0], changes[1]) {
		t.Errorf("IPv4 has %q, and IPv6 %q", changes[0], changes[1])
	}
	words = append(words, changes[0]...)
	if d.OnTrial {
		words = append(words, "trial")
	}
	if d.Problem == nil {
		return strings.Join(words, " ")
	}
	_, kind, _ := strings.Cut(fmt.Sprintf("%T", d.Problem), ".")
	kind = strings.ToUpper(kind[:1]) + strings.TrimSuffix(kind[1:], "Error") // exported or not
	return strings.Join(words, " ") + ": " + kind
}

// TestDecide crosses who asks, who is there and what was before with the configuration and the
// kernel, and compares the decision.
func TestDecide(t *testing.T) {
	key := settings.BaseKey(testvalue.Config(t, baseOn))
	accepted := func(yaml string) State {
		return State{Accepted: &AcceptedBase{Key: settings.BaseKey(testvalue.Config(t, yaml)), Base: *baseOf(t, yaml)}}
	}
	fresh, rejected := State{}, State{Rejected: &RejectedBase{Key: key}}
	pending := func(key string) State { return State{Pending: &PendingBase{Key: key}} }
	trial := func(yaml string) (s State) { // of others than those accepted
		s = accepted(baseOld)
		s.Pending = &PendingBase{Key: settings.BaseKey(testvalue.Config(t, yaml)), Base: baseOf(t, yaml)}
		return s
	}
	damaged := &damagedRulesError{errors.New("damaged")}

	hand := Circumstances{ByHand: true, Caller: true, LoggedIn: true}
	force := Circumstances{ByHand: true, Force: true, Caller: true, LoggedIn: true}
	sync, waited := Circumstances{}, Circumstances{Caller: true} // of nobody, and of somebody who waits for it
	boot, agent := Circumstances{Unattended: true}, Circumstances{Unattended: true, Established: true}
	with := func(c Circumstances, change func(*Circumstances)) Circumstances { change(&c); return c }
	logged := func(c *Circumstances) { c.LoggedIn = true }
	maybe := func(c *Circumstances) { c.MaybeLoggedIn = true }
	tunnel := func(c *Circumstances) { c.Unclear = true }
	out := func(c *Circumstances) { c.Out = []lockout.ShutOut{{What: "a session"}} }
	ufw := func(c *Circumstances) { c.Owner = &otherOwnerError{Owners: []string{"ufw"}} }

	for _, c := range []struct {
		name         string
		yaml, kernel string
		state        State
		damaged      error
		is           Circumstances
		trial        string // of an apply: "", "new" or "always"
		want         string
	}{
		// A fresh host.
		{"drop alone, at boot", dropOnly, nothing, fresh, nil, boot, "", "no base +drop"},
		{"drop alone, there", dropOnly, dropOnly, fresh, nil, agent, "", "no base"},
		{"base, at boot", baseOn, nothing, fresh, nil, boot, "", "base +base +drop"},
		{"base, at boot, somebody is logged in", baseOn, nothing, fresh, nil, with(boot, logged), "", "no base +drop: Unattended"},
		{"base, at boot, somebody may be", baseOn, nothing, fresh, nil, with(boot, maybe), "", "no base +drop: Unattended"},
		{"base, at boot, by a tunnel", baseOn, nothing, fresh, nil, with(boot, tunnel), "", "no base +drop: Unattended"},
		{"base, at boot, who would be locked out", baseOn, nothing, fresh, nil, with(with(boot, logged), out), "", "no base +drop: Unattended"},
		{"base, at boot, a VPN alone would be", baseOn, nothing, fresh, nil, with(boot, out), "", "no base +drop: ShutOut"},
		{"base, at boot, beside ufw", baseOn, nothing, fresh, nil, with(boot, ufw), "", "no base +drop: OtherOwner"},
		{"base, an agent that has been at work", baseOn, nothing, fresh, nil, agent, "", "no base +drop: Unattended"},
		{"base, cron", baseOn, nothing, fresh, nil, with(sync, logged), "", "base +base +drop"},
		{"base, a sync, who would be locked out", baseOn, nothing, fresh, nil, with(waited, out), "", "no base +drop: ShutOut"},
		{"base, by hand", baseOn, nothing, fresh, nil, hand, "new", "base +base +drop trial"},
		{"base, by hand, without a trial", baseOn, nothing, fresh, nil, hand, "", "base +base +drop"},
		{"base, by hand, who would be locked out", baseOn, nothing, fresh, nil, with(hand, out), "new", "no base +drop: ShutOut"},
		{"base, by force, who would be locked out", baseOn, nothing, fresh, nil, with(force, out), "new", "base +base +drop trial"},
		{"base, by force, beside ufw", baseOn, nothing, fresh, nil, with(force, ufw), "new", "no base +drop: OtherOwner"},

		// Base rules for the first time, where the drop has been before.
		{"base is new, the agent", baseOn, dropOnly, State{Since: testSince}, nil, agent, "", "no base: Unattended"},
		{"base is new, an agent that starts", baseOn, dropOnly, State{Since: testSince}, nil, boot, "", "no base: Unattended"},
		{"base is new, cron", baseOn, dropOnly, State{Since: testSince}, nil, sync, "", "no base: Unattended"},
		{"base is new, a sync that somebody waits for", baseOn, dropOnly, State{Since: testSince}, nil, waited, "", "base +base +drop -drop"},
		{"base is new, by hand", baseOn, dropOnly, State{Since: testSince}, nil, hand, "new", "base +base +drop -drop trial"},

		// Base rules that were accepted.
		{"accepted, there", baseOn, baseOn, accepted(baseOn), nil, agent, "", "base"},
		{"accepted, there, beside ufw", baseOn, baseOn, accepted(baseOn), nil, with(agent, ufw), "", "base"},
		{"accepted, gone", baseOn, nothing, accepted(baseOn), nil, with(agent, out), "", "base +base +drop"},
		{"accepted, gone, beside ufw", baseOn, nothing, accepted(baseOn), nil, with(agent, ufw), "", "no base +drop: OtherOwner"},
		{"accepted, gone, by hand", baseOn, nothing, accepted(baseOn), nil, hand, "new", "base +base +drop"},
		{"accepted, gone, by hand, always on trial", baseOn, nothing, accepted(baseOn), nil, hand, "always", "base +base +drop trial"},
		{"accepted, there, by hand, always on trial", baseOn, baseOn, accepted(baseOn), nil, hand, "always", "base"},
		{"others were accepted, and are there", baseOn, baseOld, accepted(baseOld), nil, agent, "", "base stays: Unattended"},
		{"others were accepted, and are gone", baseOn, nothing, accepted(baseOld), nil, agent, "", "base of before +base +drop: Unattended"},
		{"others were accepted, and are gone, at boot", baseOn, nothing, accepted(baseOld), nil, boot, "", "base of before +base +drop: Unattended"},
		{"others were accepted, and are gone, beside ufw", baseOn, nothing, accepted(baseOld), nil, with(agent, ufw), "", "no base +drop: OtherOwner"},
		{"others were accepted, by hand, who would be locked out", baseOn, baseOld, accepted(baseOld), nil, with(hand, out), "new", "base stays: ShutOut"},
		{"others were accepted, and are gone, by hand, who would be", baseOn, nothing, accepted(baseOld), nil, with(hand, out), "new", "no base +drop: ShutOut"},
		{"others were accepted, by hand", baseOn, baseOld, accepted(baseOld), nil, hand, "new", "base +base -base trial"},
		{"none are configured any more", dropOnly, baseOn, accepted(baseOn), nil, agent, "", "no base +drop -base -drop"},
		{"none are configured any more, by hand", dropOnly, baseOn, accepted(baseOn), nil, hand, "new", "no base +drop -base -drop trial"},

		// Base rules that were taken back.
		{"rejected, the agent", baseOn, dropOnly, rejected, nil, agent, "", "no base: Rejected"},
		{"rejected, a sync that somebody waits for", baseOn, dropOnly, rejected, nil, waited, "", "no base: Rejected"},
		{"rejected, others are there", baseOn, baseOld, rejected, nil, agent, "", "base stays: Rejected"},
		{"rejected, by hand", baseOn, dropOnly, rejected, nil, hand, "new", "base +base +drop -drop trial"},
		{"others were rejected", baseOn, dropOnly, State{Rejected: &RejectedBase{Key: "other"}}, nil, boot, "", "no base: Unattended"},

		// On trial.
		{"on trial, the agent", baseOn, baseOn, pending(key), nil, agent, "", "base stays"},
		{"on trial without base, and the drop is gone", baseOn, nothing, pending(key), nil, agent, "", "no base +drop"},
		{"on trial, and all is gone", baseOn, nothing, trial(baseOn), nil, agent, "", "base of before +base +drop"},
		{"on trial, and all is gone, beside ufw", baseOn, nothing, trial(baseOn), nil, with(agent, ufw), "", "no base +drop: OtherOwner"},
		{"on trial, and others are there", baseOn, baseOld, trial(baseOn), nil, agent, "", "base stays"},
		{"others than configured are on trial, and gone", baseOn, dropOnly, trial(baseOld), nil, agent, "", "base of before +base +drop -drop: Pending"},
		{"on trial, none are configured any more, and they are gone", dropOnly, dropOnly, trial(baseOn), nil, agent, "", "no base: Pending"},
		{"base is taken out on trial", dropOnly, dropOnly, pending(""), nil, agent, "", "no base"},
		{"base was to be taken out on trial, and is configured again", baseOn, dropOnly, State{Accepted: accepted(baseOn).Accepted, Pending: &PendingBase{}}, nil, agent, "", "no base: Pending"},
		{"others are on trial", dropOnly, baseOn, pending(key), nil, agent, "", "base stays: Pending"},
		{"others are on trial, by hand", baseOn, baseOld, pending("other"), nil, hand, "new", "base stays: Pending"},

		// What was accepted is not known.
		{"damaged, the agent", baseOn, dropOnly, fresh, damaged, agent, "", "no base: DamagedRules"},
		{"damaged, base is there", baseOn, baseOn, fresh, damaged, agent, "", "base stays: DamagedRules"},
		{"damaged, none are configured", dropOnly, baseOn, fresh, damaged, agent, "", "base stays: DamagedRules"},
		{"damaged, none are configured, by hand", dropOnly, baseOn, fresh, damaged, hand, "new", "no base +drop -base -drop"},
		{"damaged, by hand", baseOn, dropOnly, fresh, damaged, hand, "new", "base +base +drop -drop trial"},

		// The rules are another program's.
		{"theirs", noRules, nothing, fresh, nil, agent, "", "theirs"},
		{"theirs, and ours are there", noRules, baseOn, accepted(baseOn), nil, agent, "", "theirs -base -drop: OwnRulesLeft"},
		{"theirs, and ours are there, by hand", noRules, baseOn, accepted(baseOn), nil, hand, "new", "theirs -base -drop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := standing(t, c.yaml, c.kernel, c.state, c.damaged)
			w.trial, w.always = c.trial != "", c.trial == "always"
			if got := short(t, w, decide(w, s, c.is)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestDecideRefused: base rules that the kernel has just refused are left out, and the drop is not.
// The family that could take them gets them only if IPv4 has some.
func TestDecideRefused(t *testing.T) {
	in4, in6, both := [2]bool{true, false}, [2]bool{false, true}, [2]bool{true, true}
	const none, kept, asWanted = "none", "as before", "as wanted"
	for _, c := range []struct {
		yaml, kernel string
		refused      [2]bool
		base         [2]string // by family
		at           ruleset.Place
		has          bool // the configured base rules
	}{
		{baseOn, dropOnly, [2]bool{}, [2]string{asWanted, asWanted}, ruleset.AtPrerouting, true},
		{baseOn, dropOnly, both, [2]string{none, none}, ruleset.AtInput, false},
		{baseOn, dropOnly, in4, [2]string{none, none}, ruleset.AtInput, false},
		{baseOn, dropOnly, in6, [2]string{asWanted, none}, ruleset.AtPrerouting, true},
		{baseOn, nothing, both, [2]string{none, none}, ruleset.AtInput, false},
		{baseOn, baseOld, both, [2]string{kept, kept}, ruleset.AtPrerouting, false},
		{baseOn, baseOld, in4, [2]string{kept, asWanted}, ruleset.AtPrerouting, false},
		{baseOn, baseOld, in6, [2]string{asWanted, kept}, ruleset.AtPrerouting, true},
		{dropOnly, nothing, both, [2]string{none, none}, ruleset.AtInput, false},
	} {
		w, s := standing(t, c.yaml, c.kernel, State{Since: testSince}, nil)
		s.refusedBase = c.refused
		d := decide(w, s, Circumstances{ByHand: true, Caller: true})
		if d.DropAt != c.at || (d.base != nil) != c.has {
			t.Errorf("%+v: in %s, base %v", c, d.DropAt, d.base)
		}
		if raw := c.at == ruleset.AtPrerouting; len(iptables.FindTable(d.want[0], "raw").Hooks) > 0 != raw || len(iptables.FindTable(d.want[1], "raw").Hooks) > 0 != raw {
			t.Errorf("%+v: the drop is in %+v", c, d.want)
		}
		for f, tables := range d.want {
			base := none
			if text := iptables.Show(tables); strings.Contains(text, [2]string{"192.168.0.0/16", "fd01::/48"}[f]) {
				base = kept
			} else if strings.Contains(text, [2]string{"10.0.0.0/8", "fd00::/48"}[f]) {
				base = asWanted
			}
			if base != c.base[f] {
				t.Errorf("%+v: %s has base rules %s", c, iptables.Family(f), base)
			}
		}
	}
}

// TestHasBase: base rules are in force where INPUT ends with them.
func TestHasBase(t *testing.T) {
	hook := func(chain string, last bool) ruleset.Wanted {
		return ruleset.Wanted{{{Name: "filter", Hooks: []iptables.Hook{{Chain: chain, Last: last}}}}, nil}
	}
	for _, c := range []struct {
		is   ruleset.Wanted
		want bool
	}{{hook("INPUT", true), true}, {hook("INPUT", false), false}, {hook("OUTPUT", true), false}, {ruleset.Wanted{}, false}} {
		if HasBase(c.is) != c.want {
			t.Errorf("%+v: %v", c.is, !c.want)
		}
	}
}

// TestDecideByRecord: with the state lost, the record still shows that this host is not fresh,
// that nothing has changed since, and what could not be done.
func TestDecideByRecord(t *testing.T) {
	boot := Circumstances{Unattended: true}
	w, s := standing(t, baseOn, dropOnly, State{}, nil)
	s.record.Wanted = "digest"
	if got := short(t, w, decide(w, s, boot)); got != "no base: Unattended" {
		t.Errorf("the state is lost: %q", got)
	}
	s.record.Troubles[iptables.IPv6] = &problem.Problem{Error: "refused"}
	for _, c := range []struct {
		kernel        string
		ipv6Off, gone bool
		want          int
	}{{dropOnly, false, false, 0}, {nothing, false, false, 1}, {nothing, true, false, 0}, {nothing, false, true, 0}} {
		s.saved, s.gone[iptables.IPv6], w.ipv6Off = inKernel(t, c.kernel), c.gone, c.ipv6Off
		if got := decide(w, s, boot).Families; len(got) != c.want || c.want > 0 && (got[0].Error != "refused" || got[0].In != iptables.IPv6) {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	s.remembered, s.record.DropAt = true, ruleset.AtPrerouting
	if d := decide(w, s, boot); !d.remembered || d.DropAt != ruleset.AtPrerouting || len(firewall.Changes(d.plans)) > 0 || d.Problem != nil || d.asks {
		t.Errorf("nothing has changed: %+v", d)
	}
}

// TestDecideAlways crosses every configuration and state with everybody who may act or be
// there, and checks what must always hold.
func TestDecideAlways(t *testing.T) {
	key := settings.BaseKey(testvalue.Config(t, baseOn))
	accepted := &AcceptedBase{Key: key, Base: *baseOf(t, baseOn)}
	states := []State{
		{}, {Since: testSince}, {Accepted: accepted}, {Accepted: &AcceptedBase{Key: "other", Base: *baseOf(t, baseOld)}},
		{Rejected: &RejectedBase{Key: key}}, {Pending: &PendingBase{Key: key, Base: &accepted.Base}}, {Pending: &PendingBase{Key: "other"}, Accepted: accepted},
	}
	actors := []Circumstances{
		{ByHand: true}, {ByHand: true, Force: true}, {}, {Caller: true}, {Unattended: true}, {Unattended: true, Established: true},
	}
	others := []func(*Circumstances){
		func(*Circumstances) {},
		func(c *Circumstances) { c.LoggedIn = true },
		func(c *Circumstances) { c.MaybeLoggedIn = true },
		func(c *Circumstances) { c.Unclear = true },
		func(c *Circumstances) { c.Out = []lockout.ShutOut{{What: "a session"}} },
		func(c *Circumstances) { c.Owner = &otherOwnerError{Owners: []string{"ufw"}} },
	}
	asked := make(map[bool]int)
	for _, yaml := range []string{dropOnly, baseOn, noRules} {
		for _, kernel := range []string{nothing, dropOnly, baseOn, baseOld} {
			for i, state := range states {
				for _, leave := range []bool{false, true} {
					w, s := standing(t, yaml, kernel, state, nil)
					w.leaveBase = leave
					for _, actor := range actors {
						alone := decide(w, s, actor)
						asked[alone.asks]++
						for j, there := range others {
							c := actor
							there(&c)
							d := decide(w, s, c)
							row := func() string {
								return fmt.Sprintf("%q, kernel %q, state %d, leave %v, %+v, there %d: %s", yaml, kernel, i, leave, actor, j, short(t, w, d))
							}
							d.there = alone.there // what it was decided for
							if !alone.asks && !reflect.DeepEqual(d, alone) {
								t.Errorf("who is there was not asked for, and counts: %s", row())
							}
							changes := firewall.Changes(d.plans)
							touches := slices.ContainsFunc(changes, firewall.Change.Base)
							switch {
							case d.none:
							case touches && d.base != nil && (len(c.Out) > 0 && !c.Force && i != 2 || c.Owner != nil):
								t.Errorf("somebody is locked out: %s", row())
							case touches && leave && w.base != nil, touches && state.Pending != nil && (kernel == baseOn || kernel == baseOld || c.Owner != nil):
								t.Errorf("base rules are touched: %s", row())
							case kernel == nothing && !slices.ContainsFunc(changes, func(c firewall.Change) bool { return strings.Contains(c.Rule, "--match-set voip_bl src") }):
								t.Errorf("nothing drops: %s", row())
							case d.Problem == nil && w.base != nil && !leave && state.Pending == nil && d.base == nil:
								t.Errorf("not what is configured, and nobody is told: %s", row())
							}
						}
					}
				}
			}
		}
	}
	if asked[true] == 0 || asked[false] == 0 {
		t.Errorf("asked who is there: %v", asked)
	}
}

// testSince is when this host first had voipbl's rules.
var testSince = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
