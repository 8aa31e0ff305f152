package rules

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// TestPlace has each thing that decides where the drop stands, and each pair that can meet.
func TestPlace(t *testing.T) {
	var (
		in4, in6, both = [2]bool{true, false}, [2]bool{false, true}, [2]bool{true, true}
		ports          = reach.AvoidPublished
	)
	const auto, input, raw = config.DropAuto, ruleset.AtInput, ruleset.AtPrerouting
	for _, c := range []struct {
		name string
		is   placing
		at   ruleset.Place
		why  DropWhy
		said string // of [Placed.DropWords]
	}{
		{"nothing speaks against INPUT", placing{dropAt: auto}, input, WhyNothing, "INPUT, since nothing goes past it and base rules are off"},
		{"base rules", placing{dropAt: auto, base: true}, raw, WhyBase, "raw PREROUTING, since base rules track connections"},
		{"FreePBX", placing{dropAt: auto, found: reach.AvoidFreePBX}, raw, "freepbx", "raw PREROUTING, since FreePBX's firewall empties INPUT whenever it starts"},
		{"containers", placing{dropAt: auto, found: ports}, raw, "published-ports", "raw PREROUTING, since ports of containers, or forwarded ones, go past INPUT"},
		{"the filter table", placing{dropAt: auto, found: reach.AvoidUnreadable}, raw, "filter-unreadable", "raw PREROUTING, since iptables cannot read its filter table"},
		{"containers weigh more than base rules", placing{dropAt: auto, found: ports, base: true}, raw, "published-ports", ""},

		{"not all can be read, for the first time", placing{dropAt: auto, unread: true}, input, WhyNothing, ""},
		{"not all can be read, and INPUT was avoided", placing{dropAt: auto, unread: true, last: ports}, raw, "published-ports", ""},
		{"not all can be read, and base rules are on", placing{dropAt: auto, unread: true, base: true}, raw, WhyBase, ""},
		{"not all can be read, and what can be says more", placing{dropAt: auto, unread: true, last: ports, found: reach.AvoidFreePBX}, raw, "freepbx", ""},
		{"all can be read, and INPUT was avoided", placing{dropAt: auto, last: ports}, input, WhyNothing, ""},

		{"not all can be read, and only the kernel shows where it was", placing{dropAt: auto, unread: true, stands: true}, raw, WhyStands, "raw PREROUTING, where it stands: not all rules can be read that may be the reason"},
		{"not all can be read, and what was the reason is known", placing{dropAt: auto, unread: true, stands: true, last: ports}, raw, "published-ports", ""},
		{"all can be read, and only the kernel shows where it was", placing{dropAt: auto, stands: true}, input, WhyNothing, ""},

		{"no raw table", placing{dropAt: auto, base: true, noRaw: both}, input, WhyNoRaw, "INPUT, since the raw table cannot be used here"},
		{"no raw table, beside containers", placing{dropAt: auto, found: ports, noRaw: both}, input, WhyNoRaw, ""},
		{"no raw table, and none is needed", placing{dropAt: auto, noRaw: both}, input, WhyNothing, ""},
		{"no raw table of IPv6", placing{dropAt: auto, base: true, noRaw: in6}, raw, WhyBase, "raw PREROUTING, since base rules track connections, and in INPUT for IPv6, whose raw table cannot be used"},
		{"no raw table of IPv4", placing{dropAt: auto, base: true, noRaw: in4}, raw, WhyBase, "raw PREROUTING, since base rules track connections, and in INPUT for IPv4, whose raw table cannot be used"},
		{"no raw table of IPv4, and no rules for IPv6", placing{dropAt: auto, base: true, noRaw: in4, unwanted: in6}, input, WhyNoRaw, ""},
		{"the raw table fails", placing{dropAt: auto, base: true, failedRaw: both}, input, WhyNoRaw, "INPUT, since the raw table could not be changed"},
		{"the raw table of IPv6 fails", placing{dropAt: auto, base: true, failedRaw: in6}, raw, WhyBase, "raw PREROUTING, since base rules track connections, and in INPUT for IPv6, whose raw table could not be changed"},
		{"the raw table of IPv4 fails, and IPv6 has none", placing{dropAt: auto, base: true, failedRaw: in4, noRaw: in6}, input, WhyNoRaw, ""},
		{"no rules for IPv6", placing{dropAt: auto, base: true, unwanted: in6}, raw, WhyBase, ""},

		{"input, as configured", placing{dropAt: config.DropInput, base: true, found: ports}, input, WhyConfigured, "INPUT, as configured (drop_at: input)"},
		{"prerouting, as configured", placing{dropAt: config.DropPrerouting}, raw, WhyConfigured, "raw PREROUTING, as configured (drop_at: prerouting)"},
		{"prerouting, as configured, without a raw table", placing{dropAt: config.DropPrerouting, noRaw: both}, raw, WhyConfigured, ""},
		{"none", placing{dropAt: config.DropNone, found: ports}, ruleset.Nowhere, WhyConfigured, ""},
	} {
		got := c.is.place()
		if got.DropAt != c.at || got.DropWhy != c.why || c.said != "" && got.DropWords() != c.said {
			t.Errorf("%s: %s (%s), %q; want %s (%s), %q", c.name, got.DropAt, got.DropWhy, got.DropWords(), c.at, c.why, c.said)
		}
		if (got.DropWords() == "") != (c.at == ruleset.Nowhere) || strings.HasSuffix(got.DropWords(), "since ") {
			t.Errorf("%s: said %q", c.name, got.DropWords())
		}
		for f := range iptables.Families {
			without := got.NoRaw[f] || got.RawFailed[f]
			tables := got.of(ruleset.Settings{Sets: [2]string{"a", "b"}}).Tables(iptables.Family(f))
			if inRaw := len(tables) > 0 && tables[0].Name == "raw"; inRaw != (c.at == raw && !without) {
				t.Errorf("%s: of %s the drop is in %+v", c.name, iptables.Family(f), tables)
			}
		}
	}
}

// TestMoveWords: only what moves is said to move.
func TestMoveWords(t *testing.T) {
	change := func(family string, op firewall.Op, table, chain string) firewall.Change {
		return firewall.Change{Family: family, Op: op, Table: table, Chain: chain, Rule: "-j DROP"}
	}
	up := func(family string) []firewall.Change {
		return []firewall.Change{change(family, firewall.OpAdd, "raw", "PREROUTING"), change(family, firewall.OpRemove, "filter", "INPUT")}
	}
	down := func(family string) []firewall.Change {
		return []firewall.Change{change(family, firewall.OpRemove, "raw", "PREROUTING"), change(family, firewall.OpAdd, "filter", "INPUT")}
	}
	const to = "raw PREROUTING, since base rules track connections"
	raw := Placed{DropAt: ruleset.AtPrerouting, DropWhy: WhyBase}
	no4, failed4 := raw, raw
	no4.NoRaw, failed4.RawFailed = [2]bool{true, false}, [2]bool{true, false}
	for _, c := range []struct {
		is      Placed
		changes []firewall.Change
		want    string
	}{
		{raw, slices.Concat(up("IPv4"), up("IPv6")), "the drop was moved to " + to},
		{raw, up("IPv6"), "the drop of IPv6 was moved to " + to},
		{Placed{DropAt: ruleset.AtInput, DropWhy: WhyNothing}, slices.Concat(down("IPv4"), down("IPv6")), "the drop was moved to INPUT, since nothing goes past it and base rules are off"},
		{no4, down("IPv4"), "the drop of IPv4 was moved to INPUT, since its raw table cannot be used"},
		{failed4, down("IPv4"), "the drop of IPv4 was moved to INPUT, since its raw table could not be changed"},
		{no4, up("IPv6"), "the drop of IPv6 was moved to " + to},
		{no4, slices.Concat(down("IPv4"), up("IPv6")), "the drop of IPv4 was moved to INPUT, since its raw table cannot be used; the drop of IPv6 was moved to " + to},
	} {
		if got := c.is.MoveWords(c.changes, "was"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestPlaceOfDecision: the drop follows the base rules that the kernel has once the decision is
// carried out, and not those that are configured. So it is not moved by what is refused, or
// waits; and whatever is decided, the same decision once more moves nothing.
func TestPlaceOfDecision(t *testing.T) {
	base := func(yaml string) *AcceptedBase {
		return &AcceptedBase{Key: settings.BaseKey(testvalue.Config(t, yaml)), Base: *baseOf(t, yaml)}
	}
	trial := func(yaml string) *PendingBase {
		return &PendingBase{Key: settings.BaseKey(testvalue.Config(t, yaml)), Base: baseOf(t, yaml)}
	}
	agent, hand := Circumstances{Unattended: true, Established: true}, Circumstances{ByHand: true, Caller: true}
	ufw := Circumstances{Unattended: true, Owner: &otherOwnerError{Owners: []string{"ufw"}}}
	const emptied, none = "emptied", ""
	for _, c := range []struct {
		name         string
		yaml, kernel string
		state        State
		is           Circumstances
		over         bool // the trial's time is over, and nobody has taken it back yet
		at           ruleset.Place
	}{
		{"off", dropOnly, none, State{}, agent, false, ruleset.AtInput},
		{"configured, and not accepted", baseOn, dropOnly, State{Since: testSince}, agent, false, ruleset.AtInput},
		{"configured, and rejected", baseOn, dropOnly, State{Rejected: &RejectedBase{Key: base(baseOn).Key}}, agent, false, ruleset.AtInput},
		{"configured, beside ufw", baseOn, dropOnly, State{Accepted: base(baseOn)}, ufw, false, ruleset.AtInput},
		{"by hand", baseOn, dropOnly, State{Since: testSince}, hand, false, ruleset.AtPrerouting},
		{"accepted, and taken out by somebody", baseOn, none, State{Accepted: base(baseOn)}, agent, false, ruleset.AtPrerouting},
		{"accepted, and its chain emptied", baseOn, emptied, State{Accepted: base(baseOn)}, agent, false, ruleset.AtPrerouting},
		{"others are accepted, and there", baseOn, baseOld, State{Accepted: base(baseOld)}, agent, false, ruleset.AtPrerouting},
		{"others are accepted, and gone", baseOn, none, State{Accepted: base(baseOld)}, agent, false, ruleset.AtPrerouting},
		{"not configured any more", dropOnly, baseOn, State{Accepted: base(baseOn)}, agent, false, ruleset.AtInput},
		{"on trial", baseOn, baseOn, State{Pending: trial(baseOn)}, agent, false, ruleset.AtPrerouting},
		{"on trial, and taken out by somebody", baseOn, none, State{Pending: trial(baseOn)}, agent, false, ruleset.AtPrerouting},
		{"on trial, and taken out, beside ufw", baseOn, dropOnly, State{Pending: trial(baseOn)}, ufw, false, ruleset.AtInput},
		{"on trial too long, and still there", baseOn, baseOn, State{Pending: trial(baseOn)}, agent, true, ruleset.AtPrerouting},
		{"on trial too long, and taken out", baseOn, dropOnly, State{Pending: trial(baseOn)}, agent, true, ruleset.AtInput},
		{"their removal is on trial", dropOnly, dropOnly, State{Pending: &PendingBase{}}, agent, false, ruleset.AtInput},
		{"IPv4 cannot be read, and had them", baseOn, "unread", State{Rejected: &RejectedBase{Key: base(baseOn).Key}}, agent, false, ruleset.AtPrerouting},
	} {
		kernel := c.kernel
		if kernel == emptied || kernel == "unread" {
			kernel = baseOn
		}
		w, s := standing(t, c.yaml, kernel, c.state, nil)
		s.goesOn = s.goesOn && !c.over
		switch c.kernel {
		case emptied:
			for f := range s.saved {
				s.saved[f].Tables["filter"][iptables.BaseChain].Rules = nil
			}
		case "unread":
			s.record.Base = true
			s.saved[iptables.IPv4] = &iptables.Saved{Family: iptables.IPv4, Trouble: unix.ENOBUFS}
		}
		d := decide(w, s, c.is)
		if d.DropAt != c.at {
			t.Errorf("%s: the drop is to be in %s (%s)", c.name, d.DropAt, d.DropWhy)
		}
		for f, tables := range d.want {
			inRaw := len(iptables.FindTable(tables, "raw").Hooks) > 0
			if inRaw != (c.at == ruleset.AtPrerouting) {
				t.Errorf("%s: %s has %+v", c.name, iptables.Family(f), tables)
			}
		}
		if c.kernel != "unread" {
			s.saved = listed(t, d.want)
			if again := decide(w, s, c.is); again.Placed != d.Placed || len(firewall.Changes(again.plans)) > 0 {
				t.Errorf("%s: the next run has the drop in %s, and changes %v", c.name, again.DropAt, firewall.Changes(again.plans))
			}
		}
		if d.DropAt == ruleset.AtPrerouting && d.DropWhy != WhyBase || d.DropAt == ruleset.AtInput && d.DropWhy != WhyNothing {
			t.Errorf("%s: because of %s", c.name, d.DropWhy)
		}
	}
}
