package rules

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
)

// Prospect is what base rules would meet on this host if an admin put them on trial now.
type Prospect struct {
	Refusal  error             // why "voipbl firewall apply" would not install them, or nil
	Sessions []netip.Addr      // SSH logins that would be let in again
	Out      []lockout.ShutOut // those who would not be let in again
	Unclear  bool              // a tunnel comes in whose program is not known
	Closed   []lockout.Closed  // listeners that they close

	// Unresolved are names of trunks with no known address yet.
	Unresolved []string

	// Rest is what INPUT does with strangers without the base rules.
	Rest reach.Rest
}

// LookAhead returns what the base rules of a configuration would meet. It needs no lock and
// changes nothing.
func LookAhead(ctx context.Context, cfg config.Config) (*Prospect, error) {
	s, err := LookAtRules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	saved, err := s.Fw.ReadSure(ctx)
	if err != nil {
		return nil, err
	}
	p := &Prospect{Closed: []lockout.Closed{}, Unresolved: s.unresolved}
	base := settings.BaseSettings(cfg, s.Trunks)
	if base != nil {
		c := s.meet(ctx, Circumstances{ByHand: true, Accepted: s.State.accepted(settings.BaseKey(cfg))}, *base, saved)
		p.Refusal, p.Out, p.Unclear = c.refusal(), c.Out, c.Unclear
		if !errors.As(p.Refusal, new(*otherOwnerError)) {
			p.Closed = lockout.Find(*base, saved, s.Look().Listeners)
			lockout.InUse(p.Closed, usesOf(s.Look().Listeners))
		}
	}
	known, _ := reach.WithOther(ctx, reach.KernelRules{Backend: s.Fw.Backend, Used: true, Saved: saved}) // unreadable rules are ignored
	native, _ := reach.ReadNative(ctx, known, false)
	p.Rest = *reach.RestOf(known, native)
	for _, l := range logins.SSH() {
		if (base == nil || base.Admits(l.From, l.Port)) && !slices.Contains(p.Sessions, l.From) {
			p.Sessions = append(p.Sessions, l.From)
		}
	}
	return p, nil
}

// WithoutAddress returns the names among hosts for which no name server has an address now.
func WithoutAddress(ctx context.Context, hosts []config.Host) (names []string) {
	var questions []dns.Question
	for _, h := range hosts {
		if h.Name != "" {
			questions = append(questions, dns.Question{Name: h.Name, SIP: true})
		}
	}
	for name, a := range dns.Ask(ctx, questions) {
		if len(a.Addrs) == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
