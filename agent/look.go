package agent

import (
	"context"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/lockout"
)

// PlanRules says what ApplyRules would change, and reads names from the last good
// answers. It needs no lock.
func PlanRules(ctx context.Context, cfg config.Config) (*RulesReport, error) {
	s, err := lookAtRules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.state.Pending = nil
	return s.ensure(ctx, howRules{dryRun: true, byHand: true, force: true})
}

// lookAtRules is openSession for those who only look: without the lock, and
// without making anything.
func lookAtRules(ctx context.Context, cfg config.Config) (*session, error) {
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		return nil, err
	}
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	store, err := findStore(cfg)
	if err != nil {
		kernel.Close()
		return nil, err
	}
	r := openRules(cfg, fw, kernel, store)
	s := &session{r, func() {
		r.close()
		kernel.Close()
		if store != nil {
			store.Close()
		}
	}}
	protected, err := lastProtection(ctx, cfg, store)
	if err != nil {
		s.close()
		return nil, err
	}
	r.trunks = protected.trunks
	return s, nil
}

// ShownRules are one family's rules as text.
type ShownRules struct {
	Family string           `json:"family"`
	Tables []firewall.Table `json:"tables"`
	Text   string           `json:"text"` // for iptables-restore --noflush
}

// ShowRules renders the configured rules, without regard to what the kernel holds;
// only where "auto" puts the drop is looked up.
func ShowRules(ctx context.Context, cfg config.Config) ([]ShownRules, error) {
	s, err := lookAtRules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.close()
	avoid := false
	if cfg.Firewall.DropAt == config.DropAuto {
		saved, err := s.fw.Read(ctx)
		if err != nil {
			return nil, err
		}
		avoid = avoidInput(saved)
	}
	settings := dropSettings(cfg, s.sets, dropPlace(cfg, avoid))
	settings.Base = baseSettings(cfg, s.trunks)
	var shown []ShownRules
	for _, f := range firewall.Families {
		tables := settings.Tables(f)
		shown = append(shown, ShownRules{f.String(), tables, firewall.Show(tables)})
	}
	return shown, nil
}

// ClosedListeners are the listeners that the configured base rules close.
func ClosedListeners(cfg config.Config, rules []KernelRules, listeners []facts.Listener) []lockout.Closed {
	base := baseSettings(cfg, nil) // trunks: which addresses their names have matters to SIP alone
	if base == nil || len(rules) == 0 {
		return []lockout.Closed{}
	}
	return lockout.Find(*base, rules[0].Saved, listeners)
}
