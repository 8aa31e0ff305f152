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

// seeking is what a search for obstacles needs.
type seeking struct {
	cfg    config.Config
	fw     *firewall.Firewall
	trunks []netip.Prefix
	placed Placed
}

func (r *Hold) seeking(placed Placed) *seeking { return &seeking{r.Cfg, r.Fw, r.Trunks, placed} }

// Seek looks for what keeps the right rules from having their effect, in the kernel as it is
// now. With thousands of other programs' rules it may take seconds. Call it without holding a
// lock, and after telling the admin how to keep base rules on trial.
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

// obstacles finds those in the rules that the kernel has. With an error there may be more,
// in what could not be read.
func (s *seeking) obstacles(ctx context.Context, saved [2]*iptables.Saved) ([]reach.Obstacle, error) {
	known, native, err := reach.ReadAround(ctx, s.cfg, s.fw.Backend, saved)
	p, arrivalsErr := reach.PassedBy(ctx, known, native)
	p.NoRaw, p.RawFailed = s.placed.NoRaw, s.placed.RawFailed
	all, cut := reach.Obstacles(s.cfg, s.trunks, p)
	return all, errors.Join(err, arrivalsErr, cut)
}
