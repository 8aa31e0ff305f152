package outbox

import (
	"context"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/state"
)

// Attacker is an address that was banned or unbanned here.
type Attacker struct {
	Addr  netip.Addr
	Count int  // failures that led to the ban
	Unban bool // it was unbanned
}

// WriteDown writes reports down, as [ReportAttacker] does, and sends nothing: the next command or the
// agent sends what is due. tell gets the verdicts, and lost the message about a damaged outbox. Without
// the owner's leave it does nothing.
func WriteDown(ctx context.Context, cfg config.Config, verb string, all []Attacker, tell func(Verdict), lost func(string)) error {
	if !cfg.Report.Enabled || len(all) == 0 {
		return nil
	}
	protected, err := protection(ctx, cfg)
	if err != nil {
		return err
	}
	var told []Verdict
	err = changeOutbox(ctx, cfg, verb, tell, lost, func(b *Box, now time.Time) (changed bool) {
		for _, a := range all {
			e := Entry{Addr: a.Addr, Kind: kindBan, Count: max(1, a.Count)}
			if a.Unban {
				e.Kind = kindUnban
			} else if why := whySpared(a.Addr, protected); why != "" {
				told = append(told, Verdict{a.Addr, e.Kind, None, why})
				continue
			}
			told = append(told, take(b, e, now)...)
			changed = true
		}
		return changed
	})
	if err != nil {
		return err
	}
	for _, v := range told {
		tell(v)
	}
	return nil
}

// protection is what is exempt, by what was found out last.
func protection(ctx context.Context, cfg config.Config) (*exempt.Protection, error) {
	store, err := state.FindStore(cfg)
	if err != nil {
		return nil, err
	}
	if store != nil {
		defer store.Close()
	}
	return exempt.GatherLast(ctx, cfg, store)
}
