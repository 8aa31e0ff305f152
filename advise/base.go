package advise

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/voipbl/voipbl/agent"
	"github.com/voipbl/voipbl/firewall"
)

// BaseAdvice is whether voipbl should be the whole firewall of a host, and why.
type BaseAdvice struct {
	Advice Advice `json:"advice"`

	// Because is what speaks for it.
	Because []string `json:"because,omitempty"`

	// Missing is what speaks against it, each with what to do about it.
	Missing []Lack `json:"missing,omitempty"`
}

// Advice is what is said about base rules.
type Advice string

const (
	BaseOn          Advice = "on"          // they are configured, or asked for
	BaseRecommended Advice = "recommended" // nothing speaks against them
	BasePossible    Advice = "possible"    // they may be put on trial, and something speaks against it
	BaseUnfit       Advice = "unfit"       // they would be refused
)

// Lack is something that speaks against base rules.
type Lack struct {
	What string `json:"what"`
	Fix  string `json:"fix,omitempty"`
}

// AdviseBase decides what to say about base rules. refused is why
// there is no proposal with them, and at what the rules of such a proposal would meet.
func AdviseBase(configured bool, refused error, at *agent.Prospect) BaseAdvice {
	if configured {
		return BaseAdvice{Advice: BaseOn}
	}
	if refused == nil {
		refused = at.Refusal
	}
	var lockedOut *agent.LockoutError
	switch {
	case errors.As(refused, &lockedOut):
		a := BaseAdvice{Advice: BaseUnfit}
		for _, o := range lockedOut.Out {
			a.Missing = append(a.Missing, Lack{"they would lock out " + o.What + ": " + o.Reason, o.Add})
		}
		return a
	case refused != nil:
		a := BaseAdvice{Advice: BaseUnfit, Missing: []Lack{lackOf(refused)}}
		if errors.Is(refused, errNoNetworks) && len(at.Sessions) > 0 {
			a.Missing[0].Fix += "; somebody is logged in from " + list(texts(at.Sessions), 3)
		}
		return a
	}
	a := BaseAdvice{Advice: BaseRecommended, Because: []string{"no other firewall is in force", "your networks are known", sessionWords(at.Sessions)}}
	if at.Unclear {
		a.Missing = append(a.Missing, Lack{"packets come in by a tunnel, and it is not known which program carries it", "see \"voipbl firewall diff\" for the ports that would be closed, and open those of the tunnel in firewall.services"})
	}
	for _, f := range firewall.Families {
		if at.Rest.Of(f) == firewall.LetsIn {
			continue
		}
		does := "and it cannot be told which addresses they keep out"
		if at.Rest.Of(f) == firewall.KeepsOut {
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

// lackOf puts an error and its remedy into words about base rules.
func lackOf(err error) Lack {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return Lack{refused.Why, refused.Fix}
	}
	lack := Lack{What: err.Error()}
	if r := (interface{ Remedy() string })(nil); errors.As(err, &r) {
		lack.Fix = r.Remedy()
	}
	return lack
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
