package rules

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// Placed is where the drop is to stand, and why: one answer for status, diff, sync and apply.
type Placed struct {
	DropAt  ruleset.Place `json:"drop_at"`  // where the drop is, or should be
	DropWhy DropWhy       `json:"drop_why"` // why there

	// NoRaw are the families whose raw table cannot be used, so that the drop is in INPUT.
	NoRaw [2]bool `json:"no_raw,omitzero"`

	// RawFailed are those whose raw table could not be changed just now, for another reason: the
	// drop is in INPUT until the next run.
	RawFailed [2]bool `json:"raw_failed,omitzero"`
}

// DropWhy is why the drop stands where it does: one of the constants, or a [reach.Avoid].
type DropWhy string

const (
	WhyConfigured DropWhy = "configured"   // drop_at names the place
	WhyNothing    DropWhy = "nothing"      // INPUT, and nothing speaks for another place
	WhyBase       DropWhy = "base"         // the base rules track connections
	WhyNoRaw      DropWhy = "no-raw-table" // INPUT, since the raw table cannot be used
	WhyStands     DropWhy = "unread"       // raw, since it stands there, and why is not known
)

// placing is all that decides where the drop stands.
type placing struct {
	dropAt string      // as configured
	found  reach.Avoid // why INPUT should be avoided
	unread bool        // not all rules could be read, so there may be a reason that was not found
	last   reach.Avoid // the reason of the last time
	stands bool        // the reason of the last time is not known, and the drop stands in raw
	base   bool        // base rules are in the kernel once this is done

	noRaw     [2]bool // families whose raw table cannot be used
	failedRaw [2]bool // families whose raw table could not be changed this time, for another reason
	unwanted  [2]bool // families that are to have no rules
}

// placingOf returns what decides about the place by the configuration and by what is remembered:
// all of it, as long as no rule has been read; see [sight.lookAround].
func placingOf(cfg config.Config, last Record) placing {
	p := placing{dropAt: cfg.Firewall.DropAt, unread: true, last: last.Avoid, noRaw: last.NoRaw}
	for _, f := range iptables.Families {
		p.unwanted[f] = !settings.WantsRules(cfg, f)
	}
	return p
}

// avoid returns why INPUT is to be avoided. What cannot be read now is as it was the last time:
// otherwise each lack of memory would move the drop away and back.
func (p placing) avoid() reach.Avoid {
	if p.found == "" && p.unread {
		return p.last
	}
	return p.found
}

// place decides. drop_at wins if it names a place. Otherwise the drop is in INPUT, unless
// something there harms it, or base rules are on: tracking a connection costs more than a look
// at the set, and a packet that is dropped in raw is never tracked.
func (p placing) place() Placed {
	switch p.dropAt {
	case config.DropNone:
		return Placed{DropAt: ruleset.Nowhere, DropWhy: WhyConfigured}
	case config.DropInput:
		return Placed{DropAt: ruleset.AtInput, DropWhy: WhyConfigured}
	case config.DropPrerouting:
		return Placed{DropAt: ruleset.AtPrerouting, DropWhy: WhyConfigured}
	}
	why := DropWhy(p.avoid())
	switch {
	case why != "":
	case p.base:
		why = WhyBase
	case p.unread && p.stands:
		why = WhyStands
	default:
		return Placed{DropAt: ruleset.AtInput, DropWhy: WhyNothing}
	}
	for _, f := range iptables.Families {
		if !p.lacksRaw(f) && !p.unwanted[f] {
			return Placed{DropAt: ruleset.AtPrerouting, DropWhy: why, NoRaw: p.noRaw, RawFailed: p.failedRaw}
		}
	}
	return Placed{DropAt: ruleset.AtInput, DropWhy: WhyNoRaw, NoRaw: p.noRaw, RawFailed: p.failedRaw}
}

// lacksRaw reports whether a family cannot have the drop in raw.
func (p placing) lacksRaw(f iptables.Family) bool { return p.noRaw[f] || p.failedRaw[f] }

// of returns drop rules that stand where p says.
func (p Placed) of(drop ruleset.Settings) ruleset.Settings {
	drop.DropAt = p.DropAt
	for f := range p.NoRaw {
		drop.NoRaw[f] = p.NoRaw[f] || p.RawFailed[f]
	}
	return drop
}

// chain names the place for people.
func (p Placed) chain() string {
	return map[ruleset.Place]string{ruleset.AtInput: "INPUT", ruleset.AtPrerouting: "raw PREROUTING"}[p.DropAt]
}

// DropWords is the place and the reason for people, to follow "dropped in"; "" if another program
// has the rules, or if nothing is known.
func (p Placed) DropWords() string {
	if p.chain() == "" {
		return ""
	}
	words := p.chain() + p.reason()
	for _, f := range iptables.Families {
		if why := p.rawTrouble(f); why != "" && p.DropAt == ruleset.AtPrerouting {
			words += ", and in INPUT for " + f.String() + ", whose raw table " + why
		}
	}
	return words
}

// MoveWords says for people which drop moves where, by the changes. verb is "was" or "is to be".
func (p Placed) MoveWords(changes []firewall.Change, verb string) string {
	var moved []string
	places := make(map[string]bool)
	for _, f := range iptables.Families {
		ofFamily := slices.DeleteFunc(slices.Clone(changes), func(c firewall.Change) bool { return c.Family != f.String() })
		if moves, _ := firewall.MovesDrop(ofFamily); !moves {
			continue
		}
		to := p.chain() + p.reason()
		if why := p.rawTrouble(f); why != "" && p.DropAt == ruleset.AtPrerouting {
			to = "INPUT, since its raw table " + why
		}
		places[to] = true
		moved = append(moved, "the drop of "+f.String()+" "+verb+" moved to "+to)
	}
	if len(moved) == len(iptables.Families) && len(places) == 1 {
		return "the drop " + verb + " moved to " + p.DropWords()
	}
	return strings.Join(moved, "; ")
}

// rawTrouble says why a family has the drop in INPUT, or "".
func (p Placed) rawTrouble(f iptables.Family) string {
	switch {
	case p.RawFailed[f]:
		return "could not be changed"
	case p.NoRaw[f]:
		return "cannot be used"
	}
	return ""
}

func (p Placed) reason() string {
	switch p.DropWhy {
	case WhyConfigured:
		return ", as configured (drop_at: " + string(p.DropAt) + ")"
	case WhyNothing:
		return ", since nothing goes past it and base rules are off"
	case WhyBase:
		return ", since base rules track connections"
	case WhyNoRaw:
		if p.RawFailed != [2]bool{} {
			return ", since the raw table could not be changed"
		}
		return ", since the raw table cannot be used here"
	case WhyStands:
		return ", where it stands: not all rules can be read that may be the reason"
	}
	if words := reach.Avoid(p.DropWhy).Words(); words != "" {
		return ", since " + words
	}
	return ""
}
