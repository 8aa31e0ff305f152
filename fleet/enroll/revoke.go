package enroll

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/problem"
)

// RevokeOptions are what the operator asks of "voipbl fleet revoke".
type RevokeOptions struct {
	HubOptions
	Name string // of a host, or the public key of one that fleet.json does not know
}

// Revoked is what "voipbl fleet revoke --json" prints.
type Revoked struct {
	Name     string           `json:"name"`
	Keys     int              `json:"keys"`      // of this host, revoked now
	CutOff   bool             `json:"cut_off"`   // the server refuses this host, and it is not connected: both were seen
	Emptied  int              `json:"emptied"`   // its messages that were emptied, so that others take its bans back
	TakenOut bool             `json:"taken_out"` // nothing of what it has said is left at the hub
	Changed  []string         `json:"changed"`
	Notes    []string         `json:"notes"`
	Error    *problem.Problem `json:"error,omitempty"`
}

// Revoke takes a host out of the fleet: the server refuses it from then on, and its bans end everywhere.
func Revoke(ctx context.Context, opts RevokeOptions) (*Revoked, error) {
	h := &hubRun{HubOptions: opts.HubOptions, verb: "voipbl fleet revoke " + opts.Name}
	r := &Revoked{Name: opts.Name}
	err := notApplied(h.revoke(ctx, opts, r))
	r.Changed, r.Notes, r.Error = list(h.changed), list(h.notes), problemOf(err)
	return r, err
}

func (h *hubRun) revoke(ctx context.Context, opts RevokeOptions, r *Revoked) error {
	if err := onlyRoot(useKeys); err != nil {
		return err
	}
	var name fleet.Name
	var err error
	byKey := keys.IsKey(opts.Name)
	if !byKey {
		if name, err = parseName(opts.Name); err != nil {
			return err
		}
	}
	unlock, err := h.openThere(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if h.gid, err = natsGroup(ctx, h.Root); err != nil {
		return err
	}
	var all []string
	ofRelay := h.op.HasRelay(opts.Name)
	var were []string // sites whose relays were cut off before
	for _, r := range h.op.Relays {
		if r.CutOff() {
			were = append(were, r.Site)
		}
	}
	if byKey {
		name = h.nameOf(ctx, opts.Name)
		all = []string{opts.Name}
		if h.op.RevokeKey(opts.Name, name, time.Now()) {
			r.Keys = 1
		}
	} else {
		r.Keys = len(h.op.Revoke(name, time.Now()))
		all = h.op.Revoked(name)
	}
	if len(all) == 0 {
		return (&problem.Problem{Error: fmt.Sprintf("no host of this fleet is named %s", name), Remedy: "\"voipbl fleet status\" lists the hosts"}).Err()
	}
	for _, r := range h.op.Relays {
		if r.Site == name.Site() || r.CutOff() && !slices.Contains(were, r.Site) {
			h.noteRelay(r.Site)
		}
	}
	if h.DryRun {
		return h.write(toReload)
	}
	// What the file knows no host of may be the credential of a relay that let this one pass.
	all = append(all, h.op.Strangers...)
	if err := h.cutOff(ctx, all); err != nil {
		return err
	}
	r.CutOff = true
	if ofRelay {
		return h.done()
	}
	if name == "" {
		h.note("the name of the host with that key is not known, so its bans end with their time only; \"voipbl fleet revoke\" with its name takes them out")
		return h.done()
	}
	if _, active := h.op.Active(name); active && byKey {
		return h.done() // what it says with its other key stays
	}
	if r.Emptied, err = h.takeOut(ctx, name, h.op.WasMirror(name)); err != nil {
		return h.halfway(fmt.Errorf("%s is cut off, but what it has said is still at the hub: %w", name, err))
	}
	r.TakenOut = true
	return h.done()
}

// nameOf is the name of the host with a key: by fleet.json or, for one that is connected, by what the
// operator has signed. "" if neither knows it.
func (h *hubRun) nameOf(ctx context.Context, key string) fleet.Name {
	word := h.op.NameOf(key)
	if word == "" && (h.here() || h.runs()) {
		connected, err := h.connections(ctx)
		if err != nil {
			return "" // which the server is asked again for the revocation
		}
		word = connected[key].Name
	}
	name, err := fleet.ParseName(word)
	if err != nil {
		return ""
	}
	return name
}

// cutOff has the server refuse keys, and returns without an error only if it has seen that it does and
// that no connection of theirs is left.
func (h *hubRun) cutOff(ctx context.Context, revoked []string) error {
	if err := h.write(toReload); err != nil {
		return err
	}
	err := h.settle(ctx)
	if err == nil {
		err = h.verify(ctx, revoked)
	}
	if err != nil && h.here() { // a reload that the server has not done, such as of changes that need a restart
		if restart := systemctl(ctx, "restart", serverUnit); restart == nil {
			err = h.verify(ctx, revoked)
		}
	}
	if err == nil {
		return nil
	}
	p := problem.Of(h.halfway(err))
	p.Error = "the revocation is written down, but it was not seen that the server has it: " + p.Error
	return p.Err()
}
