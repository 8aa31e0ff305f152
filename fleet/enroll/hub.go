package enroll

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/state"
)

// HubOptions are what the operator asks of each verb on the hub.
type HubOptions struct {
	Root   string // the hub's files are below it; "" is this machine
	RunDir string // of the lock that keeps two verbs apart
	DryRun bool
	Wait   time.Duration // how long to wait for another verb, and for the server
}

// hubRun is one run of a verb on the hub.
type hubRun struct {
	HubOptions
	verb    string
	op      *keys.Operator // nil if there is no fleet yet
	gid     int            // of the server's group
	changed []string
	notes   []string

	twice map[string]string // hosts that are connected more than once, and from where

	regained []string // keys that the server refuses and an old fleet.json does not: see regain
}

func (h *hubRun) note(format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// path is where a file of the hub is on this machine.
func (h *hubRun) path(name string) string { return filepath.Join(h.Root, name) }

// here reports whether the hub is this machine, whose systemd runs its units.
func (h *hubRun) here() bool { return h.Root == "" && units.Systemd() }

// useKeys is what only root can do on a hub.
const useKeys = "use the keys of a fleet"

// open takes the lock of the verbs, and reads the operator's file. Only one that changes nothing goes
// without the lock.
func (h *hubRun) open(ctx context.Context) (unlock func(), err error) {
	if err := onlyRoot(useKeys); err != nil {
		return nil, err
	}
	unlock = func() {}
	if !h.DryRun {
		if unlock, err = state.Lock(ctx, h.RunDir, state.FleetLock, h.verb, h.Wait, nil); err != nil {
			return nil, err
		}
	}
	now, err := read(h.path(operator), maxFile)
	if err == nil && now != nil {
		if h.op, err = keys.ReadOperator(now.text); err != nil {
			err = (&problem.Problem{Error: fmt.Sprintf("%s cannot be used: %v", h.path(operator), err), Remedy: "put your copy of the file there; without one, hosts have to join a new fleet: move the file away and run \"voipbl fleet init\""}).Err()
		}
	}
	if err == nil && h.op != nil {
		err = h.regain()
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// openThere is open for verbs that need a fleet.
func (h *hubRun) openThere(ctx context.Context) (unlock func(), err error) {
	unlock, err = h.open(ctx)
	if err == nil && h.op == nil {
		unlock()
		return nil, (&problem.Problem{Error: h.path(operator) + " is not there: this machine is no hub of a fleet", Remedy: "run it on the hub; \"voipbl fleet init\" makes this machine one"}).Err()
	}
	return unlock, err
}

// What the server is still to be told after its files were written.
const (
	toReload  = "reload"
	toRestart = "restart"
)

// files are all files of the hub, in the order in which they are written: with the first one, everything
// is decided, and another run writes the rest.
func (h *hubRun) files() ([]file, error) {
	text, err := h.op.Text()
	if err != nil {
		return nil, err
	}
	keeper, err := h.keeper()
	if err != nil {
		return nil, err
	}
	server, err := h.op.Server(keys.Place{Certificate: serverCert, Key: serverKey, Store: storeFolder})
	if err != nil {
		return nil, err
	}
	cert, key := []byte(h.op.TLS.Certificate), []byte(h.op.TLS.Key)
	if h.op.TLS.Own() { // the operator's own files stay where they are
		cert, key = nil, nil
	}
	return []file{
		{Name: operator, Text: text, Mode: 0o600, Folder: hubFolderMode},
		{Name: keeperFile, Text: keeper, Mode: 0o600},
		{Name: serverCert, Text: cert, Mode: 0o644},
		{Name: serverKey, Text: key, Mode: 0o640, GID: h.gid},
		{Name: dropInFile, Text: []byte(dropIn), Mode: 0o644, Folder: 0o755},
		{Name: serverConf, Text: []byte(server), Mode: 0o644},
	}, nil
}

// write writes the files that differ. If one of them is the server's, it notes first what the server has to
// be told, so that a run that is killed in between is finished by the next one.
func (h *hubRun) write(tell string) error {
	all, err := h.files()
	if err != nil {
		return err
	}
	changes, err := differing(h.Root, all)
	if err != nil {
		return err
	}
	h.changed = names(changes)
	if h.DryRun || len(changes) == 0 {
		return nil
	}
	h.sayRegained()
	if changes[0].Name == operator {
		if err := writeAll(h.Root, changes[:1]); err != nil {
			return err
		}
		changes = changes[1:]
	}
	if len(changes) == 0 {
		return nil
	}
	left, err := h.left()
	if err != nil {
		return err
	}
	if left == toRestart {
		tell = toRestart
	}
	if err := (file{Name: pending, Text: []byte(h.toTell(tell)), Mode: 0o600}).write(h.Root); err != nil {
		return err
	}
	return writeAll(h.Root, changes)
}

// toTell is the text of the file pending: what the server is to be told, and where nobody but the operator starts
// it anew, which processes of it have not been told. Each line is one.
func (h *hubRun) toTell(tell string) string {
	all := []string{tell}
	if tell == toRestart && !h.here() {
		now, _ := servers(h.Root) // if they cannot be listed, nothing can be said of them
		for _, p := range now {
			all = append(all, identity(p))
		}
	}
	return strings.Join(all, "\n")
}

// identity tells a process from a later one with its number.
func identity(p probe.Process) string {
	stat, _ := os.ReadFile(p.Path("stat"))
	_, after, _ := strings.Cut(string(stat), ") ")
	words := strings.Fields(after)
	const started = 19 // proc(5): starttime is field 22, and two are before
	if len(words) <= started {
		return ""
	}
	return strconv.Itoa(p.PID) + ":" + words[started]
}

// left is what the server is still to be told; "" if nothing. To be started anew it need not be told by a process
// that has begun since.
func (h *hubRun) left() (tell string, err error) {
	was, err := read(h.path(pending), maxFile)
	if err != nil || was == nil {
		return "", err
	}
	words := strings.Fields(string(was.text))
	if len(words) == 0 {
		return "", nil
	}
	if words[0] != toRestart || h.here() {
		return words[0], nil
	}
	now, err := servers(h.Root)
	if err != nil || len(now) == 0 {
		return toRestart, err
	}
	for _, p := range now {
		if slices.Contains(words[1:], identity(p)) {
			return toRestart, nil
		}
	}
	return "", nil
}

// settle tells the server what it still has to be told, if anything, and starts what does not run. What only the
// operator can do stays to be told until it is done.
func (h *hubRun) settle(ctx context.Context) error {
	tell, err := h.left()
	if err != nil {
		return err
	}
	switch {
	case h.here():
		err = h.settleUnits(ctx, tell)
	case !h.runs():
		h.note("start the server: \"nats-server -c %s\"", serverConf)
		h.note("start \"voipbl fleet keep\" beside it")
	case tell == toRestart:
		h.note("start the server anew, which has another configuration: \"nats-server -c %s\"", serverConf)
		return reload(h.Root) // who is revoked is refused before that, if the server can read the rest, too
	case tell == toReload:
		err = reload(h.Root)
	}
	if err != nil {
		return err
	}
	return file{Name: pending}.write(h.Root)
}

// runs reports whether there is a server of this hub, where no systemd starts it.
func (h *hubRun) runs() bool {
	all, err := servers(h.Root)
	return err != nil || len(all) > 0
}

// settleUnits is settle where systemd runs the units.
func (h *hubRun) settleUnits(ctx context.Context, tell string) error {
	var errs []error
	do := func(words ...string) { errs = append(errs, systemctl(ctx, words...)) }
	if tell == toRestart {
		do("daemon-reload")
	}
	do("enable", "--quiet", serverUnit, keeperUnit)
	switch {
	case tell == toRestart, !isActive(ctx, serverUnit):
		do("restart", serverUnit)
	case tell == toReload:
		do("kill", "--signal=HUP", serverUnit) // "reload" needs /bin/kill, which a small Debian does not have
	}
	if tell != "" || !isActive(ctx, keeperUnit) {
		do("restart", keeperUnit) // it reads its file when it starts, such as who is revoked
	}
	return errors.Join(errs...)
}

// halfway says that the next run finishes this one.
func (h *hubRun) halfway(err error) error { return halfway(err, h.verb) }

// halfway says how to go on after an error in the midst of a verb.
func halfway(err error, verb string) error {
	p := problem.Of(err)
	next := fmt.Sprintf("run %q again, which does what is left to do", verb)
	if p.Remedy != "" {
		next = p.Remedy + ", then " + next
	}
	p.Remedy = next
	return p.Err()
}

// done is the error of a verb that has done its work.
func (h *hubRun) done() error {
	if len(h.notes) > 0 && !h.DryRun {
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}

// problemOf is the problem in a verb's error, nil if there is none.
func problemOf(err error) *problem.Problem {
	if e := (*exit.Error)(nil); errors.As(err, &e) && e.Err != nil {
		return problem.Of(e.Err)
	}
	return nil
}

// notApplied gives an error the exit code of a verb that has not done its work.
func notApplied(err error) error {
	if err == nil || errors.As(err, new(*exit.Error)) {
		return err
	}
	return &exit.Error{Code: exit.NotApplied, Err: err}
}

// list is never nil, so that it is a list in JSON.
func list(words []string) []string { return append([]string{}, words...) }

// ReadPlain reads an ordinary file of at most limit bytes.
func ReadPlain(name string, limit int64) ([]byte, error) {
	now, err := read(name, limit)
	switch {
	case err != nil:
		return nil, err
	case now == nil:
		return nil, &os.PathError{Op: "read", Path: name, Err: os.ErrNotExist}
	}
	return now.text, nil
}
