package agent

import (
	"context"
	"slices"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/outbox"
)

// This file is how attackers that the PBX has seen get into the outbox: beside the answer to the
// process that watches the PBX, which does not wait for a disk.

// mostUnreported is how many requests for bans may wait until their attackers are written down. There
// is one for each attacker, or some dozens together.
const mostUnreported = 256

// mostUnwritten is how many warnings in an hour say that attackers are not reported.
const mostUnwritten = 6

// attackers are those that wait to be written down.
type attackers struct {
	d     *daemon
	waits chan []bans.Seen
	warn  func(string)
}

func newAttackers(d *daemon) *attackers {
	return &attackers{d, make(chan []bans.Seen, mostUnreported), d.seldom(mostUnwritten, time.Hour)}
}

// banned takes in proved attackers that were banned. It does not wait: what is too much is not
// reported.
func (a *attackers) banned(made []bans.Seen) {
	if !a.d.shared.Load().Report.Enabled {
		return
	}
	select {
	case a.waits <- made:
	default:
		a.warn("more attackers were banned than can be written down: some are not reported to VoIPBL")
	}
}

// run writes attackers down until ctx ends, and then what waits still.
func (a *attackers) run(ctx context.Context, ready func()) error {
	ready()
	for {
		select {
		case first := <-a.waits:
			a.write(ctx, first)
		case <-ctx.Done():
			a.write(ctx, nil)
			return nil
		}
	}
}

// write writes first and all others that wait now into the outbox.
func (a *attackers) write(ctx context.Context, first []bans.Seen) {
	all := slices.Clone(first)
	for range len(a.waits) {
		all = append(all, <-a.waits...)
	}
	var reports []outbox.Attacker
	for _, s := range all {
		reports = append(reports, outbox.Attacker{Addr: s.Addr, Count: s.Failures})
	}
	log := a.d.log
	err := outbox.WriteDown(context.WithoutCancel(ctx), *a.d.shared.Load(), "voipbl run", reports, func(v outbox.Verdict) {
		if v.Outcome == outbox.Dropped {
			logVerdict(log, v) // it had to make room
			return
		}
		log.Debug("an attacker that the PBX has seen", "address", v.Addr, "report", v.Words())
	}, func(words string) { log.Warn(words) })
	if err != nil {
		a.warn("attackers that the PBX has seen are not reported to VoIPBL: " + err.Error())
		return
	}
	if len(reports) > 0 {
		a.d.reports.poke()
	}
}
