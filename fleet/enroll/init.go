package enroll

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
)

// InitOptions are what the operator asks of "voipbl fleet init".
type InitOptions struct {
	HubOptions
	Hubs []string // HOST or HOST:PORT; none: as before

	// The operator's own certificate, its key, and the authority that signed it, in files; none: the
	// fleet's own, or as before. Without the authority, hosts trust those of their system.
	Cert, Key, Authority string

	FleetCert bool // the fleet's own certificate again
	Force     bool // even if hosts that have joined do not admit the server any more, or do not find it

	DocumentKey string // the public key of the operator's document, for join files; "": as before
}

// Initialized is what "voipbl fleet init --json" prints.
type Initialized struct {
	Hubs    []string         `json:"hubs"`    // by which hosts reach the hub
	New     bool             `json:"new"`     // there was no fleet before
	Changed []string         `json:"changed"` // files that were changed, or would be
	Runs    bool             `json:"runs"`    // the hub is ready for hosts; false after a dry run
	Notes   []string         `json:"notes"`   // what is to be done by hand
	Error   *problem.Problem `json:"error,omitempty"`
}

// Init makes this machine the hub of a fleet, or mends it.
func Init(ctx context.Context, opts InitOptions) (*Initialized, error) {
	h := &hubRun{HubOptions: opts.HubOptions, verb: "voipbl fleet init"}
	r := &Initialized{Hubs: []string{}}
	err := notApplied(h.init(ctx, opts, r))
	r.Changed, r.Notes, r.Error = list(h.changed), list(h.notes), problemOf(err)
	return r, err
}

func (h *hubRun) init(ctx context.Context, opts InitOptions, r *Initialized) error {
	unlock, err := h.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.mayBeHub(ctx); err != nil {
		return err
	}
	former, key, now := 0, "", time.Now()
	if h.op != nil && opts.FleetCert {
		h.op.TakeBack()
	}
	switch {
	case h.op != nil:
		former, key = portOf(h.op.Hubs), h.op.DocumentKey
		hubs := opts.Hubs
		if len(hubs) == 0 {
			hubs = h.op.Hubs
		}
		before := h.op.Hubs
		if err = h.op.SetHubs(hubs, now); err == nil && !opts.Force { // also makes the certificate anew in time
			if err := h.reached(before); err != nil {
				return &exit.Error{Code: exit.Usage, Err: err}
			}
		}
	case len(opts.Hubs) == 0:
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: "there is no fleet yet, so name this hub as its hosts are to reach it", Remedy: "voipbl fleet init hub.example.net, with its own name"}).Err()}
	default:
		r.New = true
		h.op, err = keys.New(opts.Hubs, now)
	}
	if err == nil && opts.DocumentKey != "" {
		if _, err := config.ParseDocumentKey(opts.DocumentKey); err != nil {
			return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: err.Error(), Remedy: "give the public key that \"voipbl fleet sign\" has printed"}).Err()}
		}
		h.op.DocumentKey = opts.DocumentKey
		if joined := h.joined(); key != opts.DocumentKey && len(joined) > 0 {
			h.note("hosts that have joined take no document until they have this key, too: below \"fleet\" in their configuration, write key: %q (%s)", opts.DocumentKey, some(joined))
		}
	}
	if err == nil && (opts.Cert != "" || h.op.TLS.Own()) {
		if err := h.given(opts, now); err != nil {
			return &exit.Error{Code: exit.Usage, Err: err}
		}
	}
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: err.Error(), Remedy: "name the hub as its hosts are to reach it, such as hub.example.net or 198.51.100.7:443"}).Err()}
	}
	if h.onePort() {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: fmt.Sprintf("relays reach this hub at port %d, so hosts cannot", h.op.RelayPort), Remedy: "name another port for hosts; or first another one for relays (\"voipbl fleet relay SITE --hub-port PORT -o FOLDER\")"}).Err()}
	}
	r.Hubs = h.op.URLs()
	if port := portOf(h.op.Hubs); port != former {
		if err := h.portFree(ctx, port); err != nil {
			return err
		}
	}
	h.noteMoved()
	if err := h.write(toRestart); err != nil || h.DryRun {
		return err
	}
	said := len(h.notes)
	if err := h.settle(ctx); err != nil {
		return h.halfway(err)
	}
	if len(h.notes) == said {
		if err := h.await(ctx); err != nil {
			return h.halfway(err)
		}
		if r.Runs, err = h.awaitStreams(ctx); err != nil {
			return h.halfway(err)
		}
	}
	return h.done()
}

// reached returns an error if hosts that have joined know the hub by an address that it no longer has: they would
// be cut off.
func (h *hubRun) reached(before []string) error {
	gone := slices.DeleteFunc(slices.Clone(before), func(hub string) bool { return slices.Contains(h.op.Hubs, hub) })
	joined := h.joined()
	if len(gone) == 0 || len(joined) == 0 {
		return nil
	}
	return (&problem.Problem{
		Error:  fmt.Sprintf("hosts that have joined know the hub as %s, and would be cut off: %s", strings.Join(gone, ", "), some(joined)),
		Remedy: "name it as before, too (voipbl fleet init NEW OLD); with --force, the new name counts alone, and each of them needs it in fleet.hub, or another join file",
	}).Err()
}

// mostNamed is how many hosts a message names.
const mostNamed = 10

// some are the first of the hosts, and how many others there are.
func some(names []string) string {
	if len(names) <= mostNamed+1 { // never "and 1 others"
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:mostNamed], ", "), len(names)-mostNamed)
}

// mayBeHub finds out whether the server is installed, and not used for something else.
func (h *hubRun) mayBeHub(ctx context.Context) (err error) {
	if h.gid, err = natsGroup(ctx, h.Root); err != nil {
		return err
	}
	return serversOwn(h.Root)
}

// portOf is the port at which the server listens.
func portOf(hubs []string) int {
	if len(hubs) == 0 {
		return 0
	}
	_, port, err := net.SplitHostPort(hubs[0])
	if err != nil {
		return defaultPort
	}
	n, _ := strconv.Atoi(port)
	return n
}

// defaultPort is that of NATS.
const defaultPort = 4222

// portFree returns an error if another program listens at the port. Debian's server may, at its own.
func (h *hubRun) portFree(ctx context.Context, port int) error {
	if h.Root != "" || port == defaultPort && units.Systemd() && isActive(ctx, serverUnit) {
		return nil
	}
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err == nil {
		return l.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return (&problem.Problem{Error: fmt.Sprintf("another program listens at port %d", port), Remedy: fmt.Sprintf("end it (\"ss -ltnp sport = :%d\" shows it), or name another port, such as \"voipbl fleet init hub.example.net:4223\"", port)}).Err()
	}
	return err
}
