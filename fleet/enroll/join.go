package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// JoinOptions are what the admin of a PBX asks of "voipbl fleet join" and "voipbl fleet leave".
type JoinOptions struct {
	ConfigFile string
	JoinFile   []byte // what "voipbl fleet add" has written
	DryRun     bool
	Wait       time.Duration // how long to wait for another voipbl, and for the hub
}

// Joined is what "voipbl fleet join --json" and "voipbl fleet leave --json" print.
type Joined struct {
	Joined    bool             `json:"joined"` // this host is in a fleet; false after a dry run
	Name      string           `json:"name,omitempty"`
	Hubs      []string         `json:"hubs"`
	Changed   []string         `json:"changed"`   // files that were changed, or would be
	Connected bool             `json:"connected"` // the hub has admitted this host
	Hub       string           `json:"hub,omitempty"`
	Notes     []string         `json:"notes"` // what is to be done by hand, or will be later
	Hints     []string         `json:"hints"` // what else to know: nothing is left to be done here
	Error     *problem.Problem `json:"error,omitempty"`
}

// joining is one run of either verb.
type joining struct {
	JoinOptions
	leave  bool
	report Joined
	text   []byte // the present configuration; nil if there is none
	cfg    config.Config
	join   keys.Join
	key    keys.Creds // the credential in it

	was     farewell // to the fleet that this host leaves
	another bool     // the credentials are others than before
}

// Join takes this host into the fleet of a join file.
func Join(ctx context.Context, opts JoinOptions) (*Joined, error) {
	return (&joining{JoinOptions: opts}).result(ctx)
}

// Leave takes this host out of its fleet. The hub still admits its credentials: only "voipbl fleet
// revoke" ends that.
func Leave(ctx context.Context, opts JoinOptions) (*Joined, error) {
	return (&joining{JoinOptions: opts, leave: true}).result(ctx)
}

func (j *joining) result(ctx context.Context) (*Joined, error) {
	j.report.Hubs, j.report.Changed, j.report.Notes, j.report.Hints = []string{}, []string{}, []string{}, []string{}
	err := j.run(ctx)
	if e := (*exit.Error)(nil); errors.As(err, &e) && e.Err != nil {
		j.report.Error = problem.Of(e.Err)
	}
	return &j.report, err
}

// verb is the command's name.
func (j *joining) verb() string {
	if j.leave {
		return "voipbl fleet leave"
	}
	return "voipbl fleet join"
}

func (j *joining) note(format string, args ...any) {
	j.report.Notes = append(j.report.Notes, fmt.Sprintf(format, args...))
}

func (j *joining) run(ctx context.Context) error {
	if err := onlyRoot("change which fleet this host is in"); err != nil {
		return err
	}
	if !j.leave {
		if err := j.parse(); err != nil {
			return &exit.Error{Code: exit.NotApplied, Err: err}
		}
	}
	if err := j.read(); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if !j.DryRun { // one after another, and not while the PBX is connected: both change the configuration
		unlock, err := state.Lock(ctx, j.cfg.RunDir, state.ConnectLock, j.verb(), j.Wait, nil)
		switch {
		case err == nil:
			defer unlock()
		case !j.leave || !errors.As(err, new(*state.RunDirError)): // a full disk keeps nobody from leaving
			return &exit.Error{Code: exit.NotApplied, Err: err}
		}
		if err := j.read(); err != nil { // another one may have changed it
			return &exit.Error{Code: exit.Usage, Err: err}
		}
	}
	if err := j.change(ctx); err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	if len(j.report.Notes) > 0 && !j.DryRun {
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}

// addAgain is the command that gives a host another key, of the same kind.
func addAgain(name string, mirror bool) string {
	verb := "voipbl fleet add " + name + " --again"
	if mirror {
		verb += " --mirror"
	}
	return verb
}

// parse reads the join file.
func (j *joining) parse() (err error) {
	if len(bytes.TrimSpace(j.JoinFile)) == 0 {
		return (&problem.Problem{Error: "the join file is empty", Remedy: "see what \"voipbl fleet add\" says on the hub"}).Err()
	}
	if j.join, j.key, err = keys.ParseJoin(j.JoinFile); err != nil {
		return (&problem.Problem{Error: "the join file cannot be used: " + err.Error(), Remedy: "use the file that \"voipbl fleet add NAME\" has written on the hub, whole and as it is; \"voipbl fleet add NAME --again\" writes another one"}).Err()
	}
	if ends := j.key.Expires; !ends.IsZero() && time.Now().After(ends) {
		return (&problem.Problem{Error: fmt.Sprintf("the credentials of this join file have ended (%s)", ends.Format(time.DateTime)), Remedy: "on the hub, \"" + addAgain(j.key.Name, j.key.Mirror) + "\" makes another join file: join with that"}).Err()
	}
	return nil
}

// read reads the configuration.
func (j *joining) read() (err error) {
	if j.text, err = os.ReadFile(j.ConfigFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return configfile.Unread(err)
	}
	j.cfg, err = configfile.Parse(j.ConfigFile, j.text)
	return err
}

// credsFolderMode is that of the folder of the credentials, if there is none yet.
const credsFolderMode = 0o755

// creds is the file with this host's credentials.
func (j *joining) creds() file {
	f := file{Name: j.cfg.Fleet.Creds, Mode: 0o600, Folder: credsFolderMode}
	if !j.leave {
		f.Text = j.key.Text()
	}
	return f
}

// former notes if this host has other credentials already, which the hub goes on admitting.
func (j *joining) former() error {
	now, err := read(j.cfg.Fleet.Creds, keys.MaxCreds)
	if err != nil || now == nil {
		return err
	}
	was, err := keys.ParseCreds(now.text)
	switch {
	case j.leave:
		if err == nil {
			j.report.Name = was.Name
			j.was = farewell{was.Name, j.cfg.Fleet.Hubs, now.text}
		}
	case err == nil && was.Name != j.key.Name:
		j.note("this host was %s until now: unless another host has that name, have it revoked on the hub (voipbl fleet revoke %s)", was.Name, was.Name)
	}
	return nil
}

// change makes the changes in an order in which each step is of use without the next: the credentials are
// there before the configuration asks for them, and the process that uses them ends before they go. They
// are there until the hub has taken back what this host has said, or is known to be away.
func (j *joining) change(ctx context.Context) error {
	if err := j.former(); err != nil {
		return err
	}
	var hubs []string
	if !j.leave {
		hubs, j.report.Name = j.join.Hubs, j.key.Name
		j.report.Hubs = hubs
	}
	text, cfg, err := advise.InFleet(j.text, hubs)
	if err != nil {
		return fmt.Errorf("%s: %w", j.ConfigFile, err)
	}
	if j.leave || j.join.Key != "" { // a join file without one leaves it alone
		var k config.DocumentKey
		if !j.leave {
			k, err = config.ParseDocumentKey(j.join.Key)
		}
		if err == nil {
			text, cfg, err = advise.WithDocumentKey(text, k)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", j.ConfigFile, err)
		}
	}
	creds := j.creds()
	same, err := creds.isThere("/")
	if err != nil {
		return err
	}
	if j.another = !same; !same {
		j.report.Changed = append(j.report.Changed, creds.Name)
	}
	if !cfg.Equal(j.cfg) {
		j.report.Changed = append(j.report.Changed, j.ConfigFile)
	}
	if !j.leave { // before anything is written
		how := j.following()
		how.DryRun = true
		if _, err := takeover.Follow(ctx, cfg, how); err != nil {
			return err
		}
	}
	if j.leave {
		j.hint()
	}
	if j.DryRun {
		return nil
	}
	writeCreds := func(context.Context) error { return writeAll("/", []file{creds}) }
	configure := func(ctx context.Context) error { return j.configure(ctx, text, cfg) }
	steps := []func(context.Context) error{writeCreds, configure, j.start, j.await}
	if j.leave {
		steps = []func(context.Context) error{configure, j.end, j.bye, writeCreds}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return halfway(err, j.verb())
		}
	}
	j.report.Joined = !j.leave
	return nil
}

// hint says what follows from leaving that is easily overlooked.
func (j *joining) hint() {
	if d := docfile.Read(j.cfg); len(d.Allow)+len(d.Trunks) > 0 {
		j.report.Hints = append(j.report.Hints, fmt.Sprintf("what the operator's document allows (%d) and its trunks (%d) are exempt here no more: allow what you need (\"voipbl allow\")", len(d.Allow), len(d.Trunks)))
	}
	if j.was.name != "" {
		j.report.Hints = append(j.report.Hints, fmt.Sprintf("the hub would still admit this host's key: next, on the hub, \"voipbl fleet revoke %s\"", j.was.name))
	}
}

// configure writes the configuration, and has a running agent take it over.
func (j *joining) configure(ctx context.Context, text []byte, cfg config.Config) error {
	if !cfg.Equal(j.cfg) {
		if err := configfile.Unedited(j.ConfigFile, j.text, j.verb()); err != nil {
			return err
		}
		if err := configfile.Replace(j.ConfigFile, text); err != nil { // leave takes it back
			return fmt.Errorf("configuration: %w", err)
		}
	}
	j.cfg = cfg
	how := j.following()
	how.Again = j.another && !j.leave // the agent looks at the credentials
	followed, err := takeover.Follow(ctx, cfg, how)
	if err == nil && followed == nil && !j.leave {
		j.note("the agent does not run, and without it this host takes no part in the fleet: %s", units.Agent.StartRemedy(units.Systemd()))
	}
	return err
}

// following is how a running agent takes the configuration over. Whoever has this host join another fleet, or
// leave its own, means to lose the document of the one that it was in.
func (j *joining) following() takeover.Following {
	return takeover.Following{File: j.ConfigFile, MayLose: state.LoseDocument, Timeout: j.Wait}
}

// served reports whether the unit serves the agent of this configuration: it looks for the agent's socket
// in the default folder. Without systemd, no unit does.
func (j *joining) served() bool { return units.Systemd() && j.cfg.RunDir == config.Default().RunDir }

// start starts the unit of the process that talks with the hub.
func (j *joining) start(ctx context.Context) error {
	if !j.served() {
		return nil // somebody else does, or is asked to
	}
	if err := systemctl(ctx, "enable", memberUnit); err != nil {
		return err
	}
	if j.another || !isActive(ctx, memberUnit) {
		return systemctl(ctx, "restart", memberUnit)
	}
	return nil
}

// end ends that process.
func (j *joining) end(ctx context.Context) error {
	if !j.served() {
		return nil
	}
	return stop(ctx, memberUnit)
}

const (
	// awaitPoll is how often the agent is asked whether the hub has admitted this host.
	awaitPoll = 200 * time.Millisecond

	// refusedFor is after how long of being refused nobody waits any longer: what a hub refuses that is about to
	// read its accounts anew, it admits then.
	refusedFor = 3 * time.Second
)

// await waits until the hub has admitted this host, or refuses it. In either case this host is in the fleet: its
// process tries again for ever.
func (j *joining) await(ctx context.Context) error {
	if !j.runs(ctx) {
		if !j.served() {
			j.noteUnserved()
		}
		if len(j.report.Notes) > 0 {
			return nil // it is said already why not
		}
	}
	ctx, cancel := context.WithTimeout(ctx, max(j.Wait, awaitPoll))
	defer cancel()
	var last *link.Health
	var refused time.Time // since when
	for ctx.Err() == nil && (refused.IsZero() || time.Since(refused) < refusedFor) {
		if h := j.health(ctx); h != nil {
			if last = h; h.Synced && !h.Connected.IsZero() {
				j.report.Connected, j.report.Hub = true, h.Hub
				j.awaitTwin(ctx)
				return nil
			}
		}
		switch {
		case last == nil || !last.Refused:
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(awaitPoll):
		}
	}
	switch {
	case last == nil && !j.served():
		j.noteUnserved()
	case last == nil:
		j.note("the process that talks with the hub has not said anything yet: see %s", units.Member.LogRemedy(units.Systemd()))
	case last.Refused:
		j.note("the hub does not admit this host (%s): its key is revoked, or this is another hub; \"%s\" on the hub makes another join file: join with that", last.Error, addAgain(j.key.Name, j.key.Mirror))
	case last.Error != "":
		j.note("the hub does not answer yet (%s): this host is in the fleet and goes on trying; \"voipbl fleet status\" says when it is connected", last.Error)
	default:
		j.note("the hub does not answer yet: this host is in the fleet and goes on trying; \"voipbl fleet status\" says when it is connected")
	}
	return nil
}

// noteUnserved says that no unit of systemd starts the process that talks with the hub.
func (j *joining) noteUnserved() {
	j.note("%s: no unit of systemd does it here", units.Member.StartRemedy(false))
}

// twinIn is how long it takes until two hosts that are connected with one key have noticed each other.
const twinIn = 6 * time.Second

// awaitTwin says if another host has joined with the same file, which ends this one's connection again and again.
func (j *joining) awaitTwin(ctx context.Context) {
	if !j.another {
		return // it has been connected with this key before
	}
	for enough := time.After(twinIn); ; {
		if h := j.health(ctx); h != nil && !h.Twin.IsZero() {
			j.note("another host is in the fleet by this name: a join file is for one host alone. Use another one here (on the hub: \"voipbl fleet add NAME\"), or have the name's key changed (\"%s\")", addAgain(j.key.Name, j.key.Mirror))
			return
		}
		select {
		case <-enough:
			return
		case <-ctx.Done():
			return
		case <-time.After(awaitPoll):
		}
	}
}

// runs reports whether anybody talks with the hub for this agent, although no unit does: maybe with the
// credentials from before still.
func (j *joining) runs(ctx context.Context) bool { return j.said(ctx) != nil }

// onlyRoot is the error for other users, who can neither change anything nor find out what would change.
func onlyRoot(what string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return &exit.Error{Code: exit.NotApplied, Err: (&problem.Problem{Error: "only root can " + what, Remedy: "run it as root"}).Err()}
}
