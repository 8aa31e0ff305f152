package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/state"
)

// sender sends what is due of the outbox. It holds no lock that others wait for: who finds
// another one sending leaves everything to that one.
type sender struct {
	cfg     config.Config
	verb    string // for whoever waits for the lock
	client  *Client
	Network time.Time // when the network last changed; zero if that is not known
	tell    func(Verdict)
	lost    func(string)

	each time.Duration // for one request
	all  time.Duration // after that no other one is begun
}

const (
	// fail2ban runs its actions one after the other, so a report on the command line takes
	// at most these two together, and what others make it wait.
	commandRequest = 2 * time.Second
	commandRound   = time.Second

	// The agent has time, and is stopped within the first.
	agentRequest = 15 * time.Second
	agentRound   = time.Minute

	// sendWait is for another one who sends.
	sendWait = 500 * time.Millisecond
)

func NewSender(cfg config.Config, verb, version string, tell func(Verdict), lost func(string)) *sender {
	return &sender{cfg: cfg, verb: verb, client: NewClient(version), tell: tell, lost: lost, each: agentRequest, all: agentRound}
}

func reportServer(cfg config.Config) Server {
	return Server{URL: cfg.Report.URL, Insecure: cfg.Report.Insecure, Serial: cfg.Report.Serial}
}

// UnresolvedError is names of allow and trunks that have never been resolved: an address
// of theirs could be among those that are to be reported.
type UnresolvedError struct{ Names []string }

func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("%s of allow or trunks was never resolved, so nothing is sent: it may be about a friend", strings.Join(e.Names, ", "))
}

// Remedy says what to do about it.
func (e *UnresolvedError) Remedy() string {
	return "write its address instead, or mend DNS, and run \"voipbl sync\""
}

// Round sends what is due, if it is not being sent already. That the server fails is no
// error: it is kept with what waits.
func (s *sender) Round(ctx context.Context) error {
	now := time.Now()
	look := LookAtOutbox(s.cfg, Limits{PerHour: s.cfg.Report.PerHour, Network: s.Network}, now)
	if look.Problem == nil && (look.Due.IsZero() || look.Due.After(now)) {
		return nil
	}
	unlock, err := state.Lock(ctx, s.cfg.RunDir, state.SendLock, s.verb, sendWait, nil)
	if locked := (*state.LockedError)(nil); errors.As(err, &locked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	limits, spare, err := s.limits(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	var last Entry
	var result *Result
	for {
		e, more, err := s.step(ctx, limits, spare, last, result, time.Since(begun) < s.all)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		one, cancel := context.WithTimeout(ctx, s.each)
		r := s.client.Send(one, reportServer(s.cfg), e)
		cancel()
		if ctx.Err() != nil && r.Err != nil {
			return nil // it was our end that cut it short, and not the server; it waits
		}
		last, result = e, &r
	}
	if limits.OnlyUnbans {
		return spare.unresolved
	}
	return nil
}

// spared says who is not reported.
type spared struct {
	protected  *exempt.Protection
	unresolved *UnresolvedError
}

func (s spared) of(a netip.Addr) string { return whySpared(a, s.protected) }

func (s *sender) limits(ctx context.Context) (Limits, spared, error) {
	store, err := state.FindStore(s.cfg)
	if err != nil {
		return Limits{}, spared{}, err
	}
	if store != nil {
		defer store.Close()
	}
	protected, err := exempt.GatherLast(ctx, s.cfg, store)
	if err != nil {
		return Limits{}, spared{}, err
	}
	names := protected.Unprotected
	return Limits{PerHour: s.cfg.Report.PerHour, Network: s.Network, OnlyUnbans: len(names) > 0},
		spared{protected, &UnresolvedError{names}}, nil
}

// step takes in the last result, if there is one, and chooses what is next. Both are on
// disk when it returns.
func (s *sender) step(ctx context.Context, limits Limits, spare spared, last Entry, result *Result, goOn bool) (e Entry, more bool, err error) {
	var told []Verdict
	// What was sent is written down even if we are to end.
	err = changeOutbox(context.WithoutCancel(ctx), s.cfg, s.verb, s.tell, s.lost, func(b *Box, now time.Time) bool {
		if result != nil {
			told = append(told, b.Finish(last, *result, now))
		}
		// Somebody may have logged in since they were put in.
		told = append(told, b.Drop(spare.of)...)
		if goOn && ctx.Err() == nil {
			e, more = b.Begin(limits, now)
		}
		return more || len(told) > 0
	})
	if err != nil {
		return e, false, err
	}
	for _, v := range told {
		s.tell(v)
	}
	return e, more, nil
}
