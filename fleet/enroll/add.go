package enroll

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
)

// AddOptions are what the operator asks of "voipbl fleet add".
type AddOptions struct {
	HubOptions
	Name   string
	Mirror bool                    // it fetches lists for all hosts
	Again  bool                    // another key for a host that has one, which is revoked then
	To     string                  // the join file; "" is Print
	Print  func(text []byte) error // hands the join file over
}

// Added is what "voipbl fleet add --json" prints.
type Added struct {
	Name    string           `json:"name"`
	Key     string           `json:"key,omitempty"`  // the public one
	File    string           `json:"file,omitempty"` // the join file, if it was written
	New     bool             `json:"new"`            // there is a new key; false: nothing was to do
	Mirror  bool             `json:"mirror"`         // it may fetch lists for all hosts
	Former  int              `json:"former"`         // keys of this host that were revoked, or would be
	Changed []string         `json:"changed"`
	Notes   []string         `json:"notes"`
	Error   *problem.Problem `json:"error,omitempty"`
	Join    string           `json:"join,omitempty"` // the join file, if it was written to no file
}

// Add gives a host a key of the fleet. The server need not be told.
func Add(ctx context.Context, opts AddOptions) (*Added, error) {
	h := &hubRun{HubOptions: opts.HubOptions, verb: "voipbl fleet add " + opts.Name}
	r := &Added{Name: opts.Name, Mirror: opts.Mirror}
	err := notApplied(h.add(ctx, opts, r))
	r.Changed, r.Notes, r.Error = list(h.changed), list(h.notes), problemOf(err)
	return r, err
}

func (h *hubRun) add(ctx context.Context, opts AddOptions, r *Added) error {
	if err := onlyRoot(useKeys); err != nil {
		return err
	}
	name, err := parseName(opts.Name)
	if err != nil {
		return err
	}
	unlock, err := h.openThere(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if h.gid, err = natsGroup(ctx, h.Root); err != nil {
		return err
	}
	if opts.To, err = joinFilePath(opts.To); err != nil {
		return err
	}
	there, err := joinThere(opts.To)
	if err != nil {
		return err
	}
	if there != nil && there.Name != name.String() {
		return (&problem.Problem{Error: fmt.Sprintf("%s is the join file of %s, and is not written over", opts.To, there.Name), Remedy: "name another file"}).Err()
	}
	host, has := h.op.Active(name)
	if has && !opts.Again {
		if there != nil && there.Key == host.Key && host.Mirror == opts.Mirror {
			r.Key, r.File = host.Key, opts.To
			return h.renew(*there, opts)
		}
		if host.Mirror != opts.Mirror {
			return otherRole(name, host.Mirror)
		}
		return (&problem.Problem{Error: fmt.Sprintf("%s has a key already, which is known to that host alone", name), Remedy: h.verb + " --again gives it another one and revokes that one; or choose another name"}).Err()
	}
	if has && host.Mirror && !opts.Mirror {
		h.notes = append(h.notes, name.String()+" is no mirror any more: its key was one of a mirror (--mirror)")
	}
	add := h.op.Add
	if opts.Mirror {
		add = h.op.AddMirror
	}
	creds, err := add(name, time.Now())
	if err != nil {
		return err
	}
	r.New, r.Key = true, creds.Key
	if h.DryRun {
		r.Former = len(h.op.Revoke(name, time.Now(), creds.Key))
		h.noteRelay(name.Site())
		err := h.write(toReload)
		if opts.To != "" {
			h.changed = append(h.changed, opts.To)
		}
		return err
	}
	defer func() { // what was written, also before an error
		if r.File != "" {
			h.changed = append(h.changed, r.File)
		}
	}()
	if err := h.write(toReload); err != nil {
		return err
	}
	join, err := h.op.JoinFile(creds)
	if err == nil {
		err = handOver(opts, join, r)
	}
	if err != nil {
		return (&problem.Problem{Error: "the key is made, but the join file could not be written: " + err.Error(), Remedy: h.verb + " --again makes another one"}).Err()
	}
	if revoked := h.op.Revoke(name, time.Now(), creds.Key); len(revoked) > 0 {
		r.Former = len(revoked)
		if err := h.cutOff(ctx, revoked); err != nil {
			return err
		}
	}
	h.noteRelay(name.Site())
	return h.done()
}

// otherRole is why a key cannot become that of a mirror, or cease to be.
func otherRole(name fleet.Name, mirror bool) error {
	p := &problem.Problem{Error: name.String() + " has a key already, which is no mirror's", Remedy: "with --again, it gets a mirror's key, and that one is revoked"}
	if mirror {
		p = &problem.Problem{Error: name.String() + " has a key already, which is a mirror's", Remedy: "with --again, it gets one that is no mirror's, and that one is revoked; or add --mirror"}
	}
	return p.Err()
}

// parseName reads the name of a host.
func parseName(word string) (fleet.Name, error) {
	name, err := fleet.ParseName(word)
	if err != nil {
		return "", &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: err.Error(), Remedy: "a host is named SITE_HOST, each 1 to 20 of a-z, 0-9 and \"-\", such as acme_pbx1"}).Err()}
	}
	return name, nil
}

// joinFileMode is for the file with a host's key.
const joinFileMode = 0o600

// joinFilePath is the name of a join file from the root folder on.
func joinFilePath(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	return filepath.Abs(name)
}

// joinThere reads a join file that is there already. A file that is none is an error: it is not written
// over.
func joinThere(name string) (*keys.Creds, error) {
	if name == "" {
		return nil, nil
	}
	now, err := read(name, keys.MaxJoin)
	if err != nil || now == nil || len(now.text) == 0 {
		return nil, err
	}
	_, key, err := keys.ParseJoin(now.text)
	if err != nil {
		return nil, (&problem.Problem{Error: name + " is there, and is no join file, so it is not written over", Remedy: "name another file"}).Err()
	}
	return &key, nil
}

// renew writes a join file with the same key anew, if it is not as it would be now: the hub may have got another name
// since, or the site a relay.
func (h *hubRun) renew(key keys.Creds, opts AddOptions) error {
	join, err := h.op.JoinFile(key)
	if err != nil {
		return err
	}
	changes, err := differing("/", []file{{Name: opts.To, Text: join, Mode: joinFileMode}})
	if err != nil {
		return err
	}
	h.changed = names(changes)
	if h.DryRun {
		return nil
	}
	return writeAll("/", changes)
}

// handOver writes the join file, or prints it.
func handOver(opts AddOptions, join []byte, r *Added) error {
	if opts.To == "" {
		r.Join = string(join)
		return opts.Print(join)
	}
	if err := (file{Name: opts.To, Text: join, Mode: joinFileMode}).write("/"); err != nil {
		return err
	}
	r.File = opts.To
	return nil
}
