package enroll

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
)

const (
	// serverWait is how long the server may take to start, or to read its accounts anew: with 20 relays of 500 hosts
	// it takes 9 s, with as many as there may be twice that.
	serverWait = 30 * time.Second

	// serverPoll is how often it is asked meanwhile.
	serverPoll = 100 * time.Millisecond
)

// asker connects with the hub's server, as the operator.
func (h *hubRun) asker(ctx context.Context) (*hub.Asker, error) {
	creds, err := h.op.SystemCreds()
	if err != nil {
		return nil, err
	}
	account, err := h.op.HostsAccount()
	if err != nil {
		return nil, err
	}
	return hub.Ask(ctx, h.local(), creds.Text(), account)
}

// until asks the server again and again, until it is as it should be or has had time enough. The error is
// then why not.
func (h *hubRun) until(ctx context.Context, is func(context.Context, *hub.Asker) error) (err error) {
	if !h.here() && !h.runs() {
		return (&problem.Problem{Error: "the server of the hub does not run", Remedy: "start it: nats-server -c " + serverConf}).Err()
	}
	ctx, cancel := context.WithTimeout(ctx, serverWait)
	defer cancel()
	last := errors.New("the server of the hub does not answer")
	for {
		a, err := h.asker(ctx)
		if err == nil {
			err = is(ctx, a)
			a.Close()
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() == nil:
			last = err // not that the time is over
		}
		select {
		case <-ctx.Done():
			return (&problem.Problem{Error: last.Error(), Remedy: cmp.Or(problem.RemedyOf(last), "see why in "+units.Server.LogRemedy(h.here()))}).Err()
		case <-time.After(serverPoll):
		}
	}
}

// await returns once the server admits the operator.
func (h *hubRun) await(ctx context.Context) error {
	return h.until(ctx, func(ctx context.Context, a *hub.Asker) error {
		_, err := a.Refused(ctx)
		return err
	})
}

// verify returns once the server has been seen to refuse keys, and those of former credentials of relays, and none
// of their connections is left.
func (h *hubRun) verify(ctx context.Context, revoked []string) error {
	return h.until(ctx, func(ctx context.Context, a *hub.Asker) error {
		is, why, err := a.CutOff(ctx, revoked)
		for _, r := range h.op.Relays {
			account, has := r.AccountKey()
			if !has || err != nil || !is {
				continue
			}
			is, why, err = a.CutOffFrom(ctx, account, h.op.Strangers)
		}
		if err == nil && !is {
			err = errors.New(why)
		}
		return err
	})
}

// takeOut takes out what a host has said.
func (h *hubRun) takeOut(ctx context.Context, name fleet.Name, mirror bool) (n int, err error) {
	creds, err := h.op.AdminCreds()
	if err != nil {
		return 0, err
	}
	return hub.TakeOut(ctx, h.local(), creds.Text(), name, mirror)
}
