package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/screen"
)

// adviseBase works out the advice about base rules and what they would open and close.
func (s *setup) adviseBase(ctx context.Context, p *advise.Proposal) error {
	configured := p.Config.Firewall.Base
	with, refused := p, error(nil)
	if !configured {
		request := s.request
		request.Base = true
		if with, refused = advise.Propose(request); refused != nil {
			with = nil
			if !errors.As(refused, new(*advise.RefusedError)) {
				return refused
			}
		}
	}
	s.report.Openings = []advise.Opening{}
	if with != nil {
		s.report.Openings = advise.Openings(with.Config, s.report.Facts.Listeners)
	} else {
		with = p
	}
	at, err := rules.LookAhead(ctx, with.Config)
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	s.report.Closed, s.report.Unresolved = at.Closed, at.Unresolved
	s.report.Base = advise.AdviseBase(configured, refused, at, advise.Nowhere(with.Config, s.report.Facts, at.Sessions))
	return nil
}

// asksBase reports whether to ask the admin for base rules.
func (s *setup) asksBase() bool {
	return s.asks != nil && slices.Contains([]advise.Advice{advise.BaseRecommended, advise.BasePossible}, s.report.Base.Advice)
}

// agreeBase asks whether the admin wants base rules, if they fit. If so, it adds them to the
// proposal.
func (s *setup) agreeBase(ctx context.Context, p **advise.Proposal) error {
	yes, err := s.askBase(ctx, *p)
	if err != nil || !yes {
		return err
	}
	s.Base = true
	with, err := s.propose(ctx)
	if err != nil {
		return err
	}
	*p = with
	return s.adviseBase(ctx, with)
}

// askBase asks whether voipbl is to be the whole firewall of this host, if that fits.
func (s *setup) askBase(ctx context.Context, p *advise.Proposal) (bool, error) {
	s.printAdvice()
	if s.report.Base.Advice == advise.BaseUnfit {
		return false, nil
	}
	s.printAccess(p)
	question, otherwise := fmt.Sprintf("Make it the whole firewall, on trial for %s at first?", screen.ShortTime(s.Confirm.String())), s.wish || s.report.Base.Advice == advise.BaseRecommended
	if s.Confirm == 0 {
		question, otherwise = "Make it the whole firewall, at once and without a trial?", s.wish
	}
	return s.asks.Yes(ctx, question, otherwise)
}

// printAdvice says whether voipbl should be the whole firewall.
func (s *setup) printAdvice() {
	switch a := s.report.Base; a.Advice {
	case advise.BaseRecommended:
		fmt.Fprintln(s.Out, "voipbl can be the whole firewall of this host. That is recommended here:")
		for _, why := range a.Because {
			fmt.Fprintln(s.Out, "  - "+why)
		}
	case advise.BasePossible:
		fmt.Fprintln(s.Out, "voipbl can be the whole firewall of this host, but:")
	case advise.BaseOn:
		if a.Refused {
			fmt.Fprintln(s.Out, "as this host is now, the base rules would be refused:")
		} else if len(a.Missing) > 0 {
			fmt.Fprintln(s.Out, "before the base rules are in force:")
		}
	case advise.BaseUnfit:
		fmt.Fprintln(s.Out, "voipbl cannot be the whole firewall of this host yet:")
	}
	for _, m := range s.report.Base.Missing {
		fmt.Fprintln(s.Out, "  - "+screen.Clean(m.What))
		if m.Fix != "" {
			fmt.Fprintln(s.Out, "    try: "+screen.Clean(m.Fix))
		}
	}
	if s.report.Base.Advice != advise.BaseOn || len(s.report.Base.Missing) > 0 {
		fmt.Fprintln(s.Out)
	}
}
