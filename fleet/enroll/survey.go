package enroll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
)

// survey finds out how the streams and the hosts are, from a server that answers.
func (h *hubRun) survey(ctx context.Context, s *HubStatus, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, serverWait)
	defer cancel()
	kept, seen, err := h.look(ctx)
	if err != nil {
		s.Problems = append(s.Problems, &problem.Problem{Reason: "stream", Error: "how the hosts are cannot be read: " + err.Error(), Remedy: "run \"voipbl fleet init\", which gives the server the rights that this version needs"})
		return
	}
	s.Keeper, s.Sequence = kept, seen.Sequence
	s.Problems = append(s.Problems, h.streamProblems(kept, seen)...)
	if lost := h.lostDocument(seen); lost != nil {
		s.Problems = append(s.Problems, lost)
	}
	s.OneSite = h.oneSite(s.Hosts, seen)
	judgeHosts(s, seen, h.document(seen), now)
}

// look asks whether the streams are kept, and what is in them.
func (h *hubRun) look(ctx context.Context) (kept bool, seen *hub.Survey, err error) {
	if kept, err = h.keeperConnected(ctx); err != nil {
		return false, nil, err
	}
	creds, err := h.op.AdminCreds()
	if err != nil {
		return false, nil, err
	}
	seen, err = hub.Look(ctx, h.local(), creds.Text())
	return kept, seen, err
}

// keeperPatience is how long what keeps the streams may be away: it connects anew within a second when
// the server has read its configuration anew, such as for a revocation.
const keeperPatience = 2 * time.Second

// keeperConnected reports whether what keeps the streams is connected with the server.
func (h *hubRun) keeperConnected(ctx context.Context) (bool, error) {
	creds, err := h.op.KeeperCreds()
	if err != nil {
		return false, err
	}
	account, err := h.op.StreamsAccount()
	if err != nil {
		return false, err
	}
	a, err := h.asker(ctx)
	if err != nil {
		return false, err
	}
	defer a.Close()
	for until := time.Now().Add(keeperPatience); ; {
		is, err := a.IsConnected(ctx, account, creds.Key)
		if is || err != nil || time.Now().After(until) {
			return is, err
		}
		select {
		case <-time.After(serverPoll):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// streamProblems are what is wrong with the streams, and with what keeps them.
func (h *hubRun) streamProblems(kept bool, seen *hub.Survey) (all []*problem.Problem) {
	if !kept {
		p := &problem.Problem{Reason: "keeper", Error: "what keeps the hub's streams does not run (voipbl fleet keep)", Remedy: units.Keeper.EndedRemedy(h.here())}
		if h.Root != "" {
			p.Remedy = "start \"voipbl fleet keep\" where the hub's server runs"
		}
		all = append(all, p)
	}
	for _, name := range slices.Sorted(maps.Keys(seen.Streams)) {
		p := &problem.Problem{Reason: "stream", Error: fmt.Sprintf("the hub's stream %s: %v", name, seen.Streams[name])}
		switch {
		case !kept:
			p.Remedy = "start what keeps the streams, as above: it makes and mends them"
		case errors.Is(seen.Streams[name], hub.ErrNoStream):
			p.Remedy = "wait a minute; if it is still not there, run \"voipbl fleet init\", which gives the server what this version needs"
		default:
			p.Remedy = "wait a minute; if it is still so, " + units.Keeper.LogRemedy(h.here()) + " says what to do"
		}
		all = append(all, p)
	}
	return all
}

// judgeHosts adds how the hosts are, and puts the worst first.
func judgeHosts(s *HubStatus, seen *hub.Survey, d due, now time.Time) {
	beats := make(map[string]hub.Heartbeat, len(seen.Heartbeats))
	for _, b := range seen.Heartbeats {
		beats[b.Name.String()] = b
	}
	all := make([]beat.Host, len(s.Hosts))
	for i, host := range s.Hosts {
		b := beats[host.Name.String()]
		all[i] = beat.Host{
			Name: host.Name, Revoked: host.Revoked, Connected: !host.Connected.IsZero(),
			At: b.At, Odd: b.Odd != nil, Beat: b.Beat, Missed: b.Missed, Document: d.by(b.At),
		}
	}
	usual := beat.Usual(all, now)
	for i := range s.Hosts {
		h, is := &s.Hosts[i], all[i]
		v := beat.Judge(is, usual, now)
		h.State, h.Why, h.Seen = v.State, v.Why, is.At
		if v.State.Bad() {
			s.Look++
		}
		if is.At.IsZero() || is.Odd {
			continue
		}
		h.Heartbeat = &is.Beat
		if !is.Missed.IsZero() && s.Sequence > is.Beat.Sequence && v.State.Bad() {
			h.Behind = s.Sequence - is.Beat.Sequence
		}
	}
	rank := func(h HostStatus) int { return slices.Index(beat.States, h.State) }
	slices.SortStableFunc(s.Hosts, func(a, b HostStatus) int { return cmp.Compare(rank(a), rank(b)) })
}

// awaitStreams returns whether hosts can say something: the streams are there, and kept. Where nobody but
// the operator can start what keeps them, it says so.
func (h *hubRun) awaitStreams(ctx context.Context) (ready bool, err error) {
	look := func(ctx context.Context, _ *hub.Asker) error {
		kept, seen, err := h.look(ctx)
		if err != nil {
			return err
		}
		if all := h.streamProblems(kept, seen); len(all) > 0 {
			return all[0].Err()
		}
		return nil
	}
	if h.here() {
		return true, h.until(ctx, look)
	}
	ctx, cancel := context.WithTimeout(ctx, serverWait)
	defer cancel()
	if err := look(ctx, nil); err != nil {
		h.note("start \"voipbl fleet keep\" beside the server, without which hosts tell each other nothing (%v)", err)
		return false, nil
	}
	return true, nil
}
