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

// sender sends what is due in the outbox. While it sends it holds no lock that others wait for:
// if another process is sending already, it leaves everything to that one.
type sender struct {
	cfg     config.Config
	verb    string // what the lock's file says holds it
	client  *Client
	Network time.Time // when the network last changed; zero if that is not known
	tell    func(Verdict)
	lost    func(string)

	each time.Duration // the most time for one request
	all  time.Duration // after this time no other request is begun
}

const (
	// fail2ban runs its actions one after the other, so a report on the command line may take
	// at most the sum of these two, and what it waits for locks.
	commandRequest = 2 * time.Second
	commandRound   = time.Second

	// The agent has more time; it can be stopped within one request.
	agentRequest = 15 * time.Second
	agentRound   = time.Minute

	// sendWait is how long to wait for another process that is sending.
	sendWait = 500 * time.Millisecond
)

// NewSender returns a sender for the outbox of cfg. tell gets the verdicts, and lost the message
// about a damaged outbox.
func NewSender(cfg config.Config, verb, version string, tell func(Verdict), lost func(string)) *sender {
	return &sender{cfg: cfg, verb: verb, client: newClient(version), tell: tell, lost: lost, each: agentRequest, all: agentRound}
}

func reportServer(cfg config.Config) Server {
	return Server{URL: cfg.Report.URL, Insecure: cfg.Report.Insecure, Serial: cfg.Report.Serial}
}

// unresolvedError says that names of allow or trunks have never been resolved, so one of their
// addresses could be among those that wait to be reported.
type unresolvedError struct{ Names []string }

func (e *unresolvedError) Error() string {
	return fmt.Sprintf("%s of allow or trunks was never resolved, so nothing is sent: it may be about a friend", strings.Join(e.Names, ", "))
}

// Remedy says what to do about it.
func (e *unresolvedError) Remedy() string {
	return "write its address instead, or mend DNS, and run \"voipbl sync\""
}

// Round sends what is due, unless another process is sending already. A failure of the server
// is no error here: the box keeps it.
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
			return nil // this process was stopped, the server did not fail; the entry waits
		}
		last, result = e, &r
	}
	if limits.OnlyUnbans {
		return spare.unresolved
	}
	return nil
}

// spared says which addresses are not reported.
type spared struct {
	protected  *exempt.Protection
	unresolved *unresolvedError
}

func (s spared) of(a netip.Addr) string { return whySpared(a, s.protected) }

func (s *sender) limits(ctx context.Context) (Limits, spared, error) {
	protected, err := protection(ctx, s.cfg)
	if err != nil {
		return Limits{}, spared{}, err
	}
	names := protected.Unprotected
	return Limits{PerHour: s.cfg.Report.PerHour, Network: s.Network, OnlyUnbans: len(names) > 0},
		spared{protected, &unresolvedError{names}}, nil
}

// step gives the last result, if any, to the box, and chooses the next entry. Both are on disk
// when it returns.
func (s *sender) step(ctx context.Context, limits Limits, spare spared, last Entry, result *Result, goOn bool) (e Entry, more bool, err error) {
	var told []Verdict
	// Write down what was sent even if this process is being stopped.
	err = changeOutbox(context.WithoutCancel(ctx), s.cfg, s.verb, s.tell, s.lost, func(b *Box, now time.Time) bool {
		if result != nil {
			told = append(told, b.finish(last, *result, now))
		}
		// Somebody may have logged in from one of these addresses since.
		told = append(told, b.drop(spare.of)...)
		if goOn && ctx.Err() == nil {
			e, more = b.begin(limits, now)
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
