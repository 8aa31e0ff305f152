package rules

import (
	"context"
	"errors"
	"net/netip"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
)

// seeking is what has to be known to look for what is in the way of rules.
type seeking struct {
	cfg    config.Config
	fw     *firewall.Firewall
	trunks []netip.Prefix
}

func (r *Hold) seeking() *seeking { return &seeking{r.Cfg, r.Fw, r.Trunks} }

// Seek looks for what is in the way of rules that are as they should be, as they are in the
// kernel now. It may take seconds, where others have thousands of rules: so it is for whoever
// tells it, holds no lock, and has told already how base rules on trial are kept.
func (r *Report) Seek(ctx context.Context) {
	if r == nil || r.seek == nil {
		return
	}
	s := r.seek
	r.seek = nil
	saved, err := s.fw.Read(ctx)
	if err == nil {
		r.Obstacles, err = s.obstacles(ctx, saved)
	}
	if errors.Is(err, reach.ErrTooMany) {
		r.Unfollowed = true
	}
	if err != nil {
		r.Warnings = append(r.Warnings, "not all that may be in the way of the rules is known: "+problem.Line(err))
	}
}

// obstacles are those that there are by the rules that the kernel has. With an error there may
// be more: they are among what could not be read.
func (s *seeking) obstacles(ctx context.Context, saved [2]*iptables.Saved) ([]reach.Obstacle, error) {
	known, native, err := reach.ReadAround(ctx, s.cfg, s.fw.Backend, saved)
	p, arrivalsErr := reach.PassedBy(ctx, known, native)
	all, cut := reach.Obstacles(s.cfg, s.trunks, p)
	return all, errors.Join(err, arrivalsErr, cut)
}
