package rules

import (
	"context"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// Plan says what Apply would change, using the last good answers for names. It needs no lock.
func Plan(ctx context.Context, file config.Config) (*Report, error) {
	cfg := setnames.NamesOfApply(ctx, file) // as Apply does
	s, err := LookAtRules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.State.Pending = nil
	report, err := s.Ensure(ctx, How{DryRun: true, ByHand: true, Force: true})
	report.Unresolved = s.unresolved
	report.Seek(ctx)
	report.AsStatus(ctx, cfg)
	return report, err
}

// AsStatus gives problems and obstacles the remedies that status shows. An agent that cannot
// be asked is reported elsewhere.
func (r *Report) AsStatus(ctx context.Context, cfg config.Config) {
	if r == nil || r.Problem == nil && len(r.Obstacles)+len(r.Families)+len(r.Closed) == 0 {
		return
	}
	agent, _ := state.AskStatus(ctx, cfg)
	r.Problem = LeaveBase(r.Problem, agent)
	if agent.Refuses() {
		r.remedies(TakenOver)
	}
}

// LookAtRules is OpenLocked for callers that only look: it takes no lock and creates nothing.
func LookAtRules(ctx context.Context, cfg config.Config) (*Hold, error) {
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		return nil, err
	}
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	store, err := state.FindStore(cfg)
	if err != nil {
		kernel.Close()
		return nil, err
	}
	r := Open(cfg, fw, kernel, store)
	r.closers = append(r.closers, kernel.Close)
	if store != nil {
		r.closers = append(r.closers, func() { store.Close() })
	}
	protected, err := exempt.GatherLast(ctx, cfg, store)
	if err != nil {
		r.Close()
		return nil, err
	}
	r.Trunks = protected.Trunks
	r.unresolved = unresolvedTrunks(cfg, protected)
	return r, nil
}

// unresolvedTrunks returns the names of trunks with no known address. No base rule lets these
// in.
func unresolvedTrunks(cfg config.Config, p *exempt.Protection) (names []string) {
	if !cfg.Firewall.Base {
		return nil
	}
	for _, h := range exempt.TrunkHosts(cfg) {
		if h.Name != "" && slices.Contains(p.Unprotected, h.Name) {
			names = append(names, h.Name)
		}
	}
	return names
}

// Shown is one family's rules as text.
type Shown struct {
	Placed
	Family string           `json:"family"`
	Tables []iptables.Table `json:"tables"`
	Text   string           `json:"text"` // for iptables-restore --noflush

	// Unresolved are names of trunks with no known address, and so without a rule.
	Unresolved []string `json:"unresolved,omitempty"`
}

// Show renders the configured rules, whatever the kernel holds. It only looks up where
// "auto" puts the drop.
func Show(ctx context.Context, cfg config.Config) ([]Shown, error) {
	s, err := LookAtRules(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	look := &sight{fw: s.Fw, record: s.Record, place: placingOf(cfg, s.Record)}
	if cfg.Firewall.DropAt == config.DropAuto {
		if look.saved, err = s.Fw.Read(ctx); err != nil {
			return nil, err
		}
		look.lookAround(ctx, cfg, false)
	}
	at := look.placed(cfg.Firewall.Base)
	want := at.of(settings.DropSettings(cfg, s.Sets, ""))
	want.Base = settings.BaseSettings(cfg, s.Trunks)
	var shown []Shown
	for _, f := range iptables.Families {
		tables := want.Tables(f)
		text := iptables.Show(tables)
		if len(tables) > 0 {
			text = "# dropped in " + at.DropWords() + "\n" + text
		}
		for _, name := range s.unresolved {
			text = fmt.Sprintf("# no rule lets %s of firewall.trunks in: it is not resolved yet\n", name) + text
		}
		shown = append(shown, Shown{at, f.String(), tables, text, s.unresolved})
	}
	return shown, nil
}

// ClosedListeners returns the listeners that the configured base rules close.
func ClosedListeners(cfg config.Config, rules []reach.KernelRules, listeners []host.Listener) []lockout.Closed {
	base := settings.BaseSettings(cfg, nil) // no trunks: the addresses of their names affect SIP only
	if base == nil || len(rules) == 0 {
		return []lockout.Closed{}
	}
	return lockout.Find(*base, rules[0].Saved, listeners)
}
