package advise

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/survey"
)

// BaseAdvice says whether voipbl should be the whole firewall of a host, and why.
type BaseAdvice struct {
	Advice Advice `json:"advice"`

	// Refused: the base rules are configured, but would be refused as the host is now.
	Refused bool `json:"refused,omitempty"`

	// Because is what speaks for base rules.
	Because []string `json:"because,omitempty"`

	// Missing is what speaks against base rules, each with a remedy.
	Missing []Lack `json:"missing,omitempty"`
}

// Advice is the advice about base rules in one word.
type Advice string

const (
	BaseOn          Advice = "on"          // they are configured, or asked for
	BaseRecommended Advice = "recommended" // nothing speaks against them
	BasePossible    Advice = "possible"    // they may be put on trial, but something speaks against it
	BaseUnfit       Advice = "unfit"       // they would be refused
)

// Lack is something that speaks against base rules.
type Lack struct {
	What string `json:"what"`
	Fix  string `json:"fix,omitempty"`
}

// AdviseBase returns the advice about base rules. refused is why there is no proposal with them.
// at is what the rules of such a proposal would meet on this host. nowhere are its local networks
// if the host has no way to them (see [Nowhere]).
func AdviseBase(configured bool, refused error, at *rules.Prospect, nowhere []netip.Prefix) BaseAdvice {
	if refused == nil {
		refused = at.Refusal
	}
	if configured {
		a := BaseAdvice{Advice: BaseOn, Refused: refused != nil}
		if a.Refused {
			a.Missing = lacksOf(refused, at)
		} else if nowhere != nil {
			a.Missing = []Lack{lackOfNetworks(nowhere)}
		}
		return a
	}
	if refused != nil {
		return BaseAdvice{Advice: BaseUnfit, Missing: lacksOf(refused, at)}
	}
	a := BaseAdvice{Advice: BaseRecommended, Because: []string{"no other firewall is in force", "your networks are known", sessionWords(at.Sessions)}}
	if nowhere != nil {
		a.Missing = append(a.Missing, lackOfNetworks(nowhere))
	}
	if at.Unclear {
		a.Missing = append(a.Missing, Lack{"packets come in by a tunnel, and it is not known which program carries it", "see \"voipbl firewall diff\" for the ports that would be closed, and open those of the tunnel in firewall.services"})
	}
	for _, f := range iptables.Families {
		if at.Rest.Of(f) == iptwalk.LetsIn {
			continue
		}
		does := "and it cannot be told which addresses they keep out"
		if at.Rest.Of(f) == iptwalk.KeepsOut {
			does = "which keep strangers out already"
		}
		a.Missing = append(a.Missing, Lack{fmt.Sprintf("INPUT has rules for %s that are not voipbl's, %s", f, does),
			"read \"" + [...]string{"iptables", "ip6tables"}[f] + " -S INPUT\": they stand above the base rules, so take out what accepts or drops everything"})
	}
	if len(a.Missing) > 0 {
		a.Advice, a.Because = BasePossible, nil
	}
	return a
}

// lacksOf returns why base rules are refused.
func lacksOf(refused error, at *rules.Prospect) (all []Lack) {
	var lockedOut *lockout.ShutOutError
	if errors.As(refused, &lockedOut) {
		for _, o := range lockedOut.Out {
			all = append(all, Lack{"they would lock out " + o.What + ": " + o.Reason, o.Add})
		}
		return all
	}
	lack := lackOf(refused)
	if errors.Is(refused, errNoNetworks) && len(at.Sessions) > 0 {
		lack.Fix += "; somebody is logged in from " + list(texts(at.Sessions), 3)
	}
	return []Lack{lack}
}

// Nowhere returns the local networks of a configuration if no interface or route of the host
// leads to any of them, and nobody is logged in from there. They are probably mistyped, and
// nobody comes from there.
func Nowhere(cfg config.Config, facts survey.Facts, sessions []netip.Addr) []netip.Prefix {
	all := cfg.Firewall.LocalNetworks
	if far := unreached(all, facts); len(far) < len(all) || slices.ContainsFunc(sessions, func(a netip.Addr) bool {
		return slices.ContainsFunc(all, func(n netip.Prefix) bool { return n.Contains(a) })
	}) {
		return nil
	}
	return all
}

// unreached returns the networks to which no interface or route of a host leads.
func unreached(all []netip.Prefix, facts survey.Facts) (far []netip.Prefix) {
	for _, n := range all {
		if facts.Arrivals != nil && len(facts.Arrivals.Of(n, n.Addr().Is6())) == 0 {
			far = append(far, n)
		}
	}
	return far
}

func lackOfNetworks(nowhere []netip.Prefix) Lack {
	return Lack{"no interface and no route of this host leads to " + list(texts(nowhere), 3) + " (local_networks)", "see that you and your phones come from there, or name the right network with --local"}
}

// lackOf makes a Lack of an error and its remedy.
func lackOf(err error) Lack {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return Lack{refused.Why, refused.Fix}
	}
	return Lack{What: err.Error(), Fix: problem.RemedyOf(err)}
}

func sessionWords(sessions []netip.Addr) string {
	if len(sessions) == 0 {
		return "nobody is logged in by SSH"
	}
	return "whoever is logged in by SSH (from " + list(texts(sessions), 2) + ") is let in"
}

func texts[T fmt.Stringer](all []T) (words []string) {
	for _, v := range all {
		words = append(words, v.String())
	}
	return words
}
