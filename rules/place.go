package rules

import (
	"github.com/voipbl/voipbl/config"
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
}

// DropWhy is why the drop stands where it does: one of the constants, or a [reach.Avoid].
type DropWhy string

const (
	WhyConfigured DropWhy = "configured"   // drop_at names the place
	WhyNothing    DropWhy = "nothing"      // INPUT, and nothing speaks for another place
	WhyBase       DropWhy = "base"         // the base rules track connections
	WhyNoRaw      DropWhy = "no-raw-table" // INPUT, since the raw table cannot be used
)

// placing is all that decides where the drop stands.
type placing struct {
	dropAt string      // as configured
	found  reach.Avoid // why INPUT should be avoided
	unread bool        // not all rules could be read, so there may be a reason that was not found
	last   reach.Avoid // the reason of the last time
	base   bool        // base rules are in the kernel once this is done

	noRaw    [2]bool // families whose raw table cannot be used
	unwanted [2]bool // families that are to have no rules
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
	case why == "" && !p.base:
		return Placed{DropAt: ruleset.AtInput, DropWhy: WhyNothing}
	case why == "":
		why = WhyBase
	}
	for _, f := range iptables.Families {
		if !p.noRaw[f] && !p.unwanted[f] {
			return Placed{DropAt: ruleset.AtPrerouting, DropWhy: why, NoRaw: p.noRaw}
		}
	}
	return Placed{DropAt: ruleset.AtInput, DropWhy: WhyNoRaw, NoRaw: p.noRaw}
}

// of returns drop rules that stand where p says.
func (p Placed) of(drop ruleset.Settings) ruleset.Settings {
	drop.DropAt, drop.NoRaw = p.DropAt, p.NoRaw
	return drop
}

// placingOf returns what the configuration says about the place.
func placingOf(cfg config.Config) placing {
	p := placing{dropAt: cfg.Firewall.DropAt}
	for _, f := range iptables.Families {
		p.unwanted[f] = !settings.WantsRules(cfg, f)
	}
	return p
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
		if p.DropAt == ruleset.AtPrerouting && p.NoRaw[f] {
			words += ", and in INPUT for " + f.String() + ", whose raw table cannot be used"
		}
	}
	return words
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
		return ", since the raw table cannot be used here"
	}
	if words := reach.Avoid(p.DropWhy).Words(); words != "" {
		return ", since " + words
	}
	return ""
}
