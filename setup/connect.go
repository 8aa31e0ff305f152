package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/pbx/connect"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/pbx/secrets"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// defaultHEP is a port below 1024, which only root can open: no other user gets the copies of SIP
// messages while the watcher is not running. No service is registered for it that hosts still have.
var defaultHEP = netip.MustParseAddrPort("127.0.0.1:460")

// watcherUnit is the unit of the watcher.
var watcherUnit = units.Watcher.Service()

// ConnectOptions are what the admin asks of "voipbl pbx connect" and "voipbl pbx disconnect".
type ConnectOptions struct {
	ConfigFile string
	Root       string // of the machine whose files are looked at and written, such as a container's; "" is this one
	Off        bool   // disconnect
	Copies     *bool  // have Asterisk copy its SIP messages, or not; nil leaves that as it is
	DryRun     bool
	Wait       time.Duration // how long to wait for another voipbl process
}

// Connected is what "voipbl pbx connect --json" prints.
type Connected struct {
	Connected bool             `json:"connected"` // as the options ask; false after a dry run
	Asterisk  bool             `json:"asterisk"`  // it is installed
	HEP       string           `json:"hep"`       // pbx.hep of the configuration; "" is off
	AMI       string           `json:"ami"`       // pbx.ami
	Files     []string         `json:"files"`     // of Asterisk, which are changed
	Trunks    []string         `json:"trunks"`    // those that only Asterisk's files name, so that a list could block them
	Written   string           `json:"written,omitempty"`
	Notes     []string         `json:"notes"` // what is to be done by hand, or will be later
	Error     *problem.Problem `json:"error,omitempty"`
}

// connecting is one run of the verb.
type connecting struct {
	*screen.Screen
	ConnectOptions
	report   Connected
	text     []byte // the present configuration; nil if there is none
	cfg, new config.Config
	newText  []byte
	plan     connect.Plan
	mayCopy  bool             // copies could be had, and are not wanted
	account  asterisk.Account // whom Asterisk runs as
}

// Connect connects a PBX with voipbl, or takes that back. It can be run again at any time: it does what
// is missing.
func Connect(ctx context.Context, on *screen.Screen, opts ConnectOptions) (*Connected, error) {
	c := &connecting{Screen: on, ConnectOptions: opts}
	c.report.Files, c.report.Trunks, c.report.Notes = []string{}, []string{}, []string{}
	err := c.run(ctx)
	if e := (*exit.Error)(nil); errors.As(err, &e) && e.Err != nil {
		c.report.Error = problem.Of(e.Err)
	}
	return &c.report, err
}

func (c *connecting) run(ctx context.Context) error {
	if os.Geteuid() != 0 { // others may not read Asterisk's files, so a dry run would say what is not so
		return &exit.Error{Code: exit.NotApplied, Err: (&problem.Problem{Error: "only root can connect the PBX, or find out how it would be", Remedy: "run it as root"}).Err()}
	}
	if err := c.read(); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if !c.DryRun { // one after another: each does all that it is to, or nothing
		unlock, err := state.Lock(ctx, c.cfg.RunDir, state.ConnectLock, c.verb(), c.Wait, nil)
		switch {
		case err == nil:
			defer unlock()
		case !c.Off || !errors.As(err, new(*state.RunDirError)): // a full disk keeps nobody from disconnecting
			return &exit.Error{Code: exit.NotApplied, Err: err}
		}
		if err := c.read(); err != nil { // another one may have changed it
			return &exit.Error{Code: exit.Usage, Err: err}
		}
	}
	if err := c.decide(ctx); err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	c.show()
	if !c.Off && !c.new.PBX.Watched() {
		c.showNotes()
		return &exit.Error{Code: exit.NotApplied, Err: c.noWay()}
	}
	if c.DryRun {
		c.showNotes()
		if !c.JSON {
			fmt.Fprintln(c.Out, "dry run: nothing was changed")
		}
		return nil
	}
	steps := []func(context.Context) error{c.configure, c.watcher, c.asterisk}
	if c.Off { // the other way around: nothing is sent to where nobody listens
		steps = []func(context.Context) error{c.asterisk, c.configure, c.watcher, c.forget}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return &exit.Error{Code: exit.NotApplied, Err: c.halfway(err)}
		}
	}
	c.report.Connected = !c.Off
	c.showNotes()
	if len(c.report.Notes) > 0 {
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}

// halfway says how to go on, or back, after an error that came when the configuration was written already.
func (c *connecting) halfway(err error) error {
	if c.report.Written == "" {
		return err
	}
	p := problem.Of(err)
	p.Error += "; " + c.report.Written + " is changed already"
	next := fmt.Sprintf("run \"%s\" again", c.verb())
	if !c.Off {
		next += ", or \"voipbl pbx disconnect\", which takes back what is done"
	}
	if p.Remedy != "" {
		next = p.Remedy + ", then " + next
	}
	p.Remedy = next
	return p.Err()
}

// read reads the configuration.
func (c *connecting) read() (err error) {
	if c.text, err = os.ReadFile(c.ConfigFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return configfile.Unread(err)
	}
	c.cfg, err = configfile.Parse(c.ConfigFile, c.text)
	return err
}

// verb is the command's name.
func (c *connecting) verb() string {
	if c.Off {
		return "voipbl pbx disconnect"
	}
	return "voipbl pbx connect"
}

// copies reports whether the PBX is to copy its SIP messages.
func (c *connecting) copies() bool {
	if c.Copies != nil {
		return *c.Copies
	}
	return c.cfg.PBX.HEP.IsValid()
}

// noWay says why nothing is connected. Nothing is changed then.
func (c *connecting) noWay() error {
	switch {
	case !c.report.Asterisk && c.mayCopy:
		return (&problem.Problem{Error: "nothing is connected: there is no Asterisk on this host", Remedy: "voipbl pbx connect --copies, if another PBX is to be connected"}).Err()
	case c.mayCopy:
		return (&problem.Problem{Error: "nothing is connected: the manager interface cannot be used", Remedy: "voipbl pbx connect --copies"}).Err()
	}
	return errors.New("nothing is connected: neither copies of SIP messages nor the manager interface can be used")
}

func (c *connecting) showNotes() {
	for _, n := range c.report.Notes {
		if !c.JSON {
			c.Folded(n)
		}
	}
}

// decide finds out what is to be changed, and changes nothing but makes passwords.
func (c *connecting) decide(ctx context.Context) error {
	look := probe.New(ctx, c.Root)
	facts := asterisk.Look(look)
	c.report.Asterisk = facts != nil
	hep, ami := c.cfg.PBX.HEP, c.cfg.PBX.AMI
	want := connect.Want{WasHEP: hep}
	if c.Copies != nil && !hep.IsValid() { // as the admin says
		want.WasHEP = defaultHEP
	}
	if c.Off {
		hep, ami = netip.AddrPort{}, netip.AddrPort{}
	} else {
		if !c.copies() {
			hep, c.mayCopy = netip.AddrPort{}, true
		} else if !hep.IsValid() {
			hep = defaultHEP
		}
		if facts != nil {
			c.account = asterisk.AccountOf(look)
		}
		s, err := c.passwords()
		if err != nil {
			return err
		}
		want.HEP, want.HEPPassword, want.PasswordsIn = hep, s.HEP, secrets.Path(c.cfg.StateDir)
		if facts != nil {
			want.AMISecret, want.Reader = s.AMI, c.account
			if ami = facts.Manager.Listens; !ami.Addr().IsLoopback() {
				ami = netip.AddrPort{}
			}
		}
	}
	if facts != nil || c.Off && look.Exists(connect.Folder) {
		files, err := connect.Read(look.Path(connect.Folder))
		if err != nil {
			return err
		}
		if facts == nil {
			facts = &asterisk.Facts{}
		}
		c.plan = connect.New(files, facts, want)
		if c.mayCopy {
			with := want
			with.HEP = defaultHEP
			c.mayCopy = connect.New(files, facts, with).HEP
		}
		if !c.Off && !c.plan.HEP {
			hep = netip.AddrPort{}
		}
		if !c.Off && !c.plan.AMI {
			ami = netip.AddrPort{}
		}
		c.noteAccount()
	}
	if facts == nil && !c.Off && ami.IsValid() {
		c.note("there is no Asterisk on this host, whose manager interface is to be at %s (pbx.ami): if it is gone, run \"voipbl pbx disconnect\"", ami)
	}
	for _, f := range c.plan.Files {
		c.report.Files = append(c.report.Files, path.Join(connect.Folder, f.File))
	}
	c.report.Notes = append(c.report.Notes, c.plan.ByHand...)
	text, cfg, err := advise.Connected(c.text, hep, ami)
	if err != nil {
		return fmt.Errorf("%s: %w", c.ConfigFile, err)
	}
	c.new, c.newText = cfg, text
	c.report.HEP, c.report.AMI = shown(hep), shown(ami)
	if !c.Off && !cfg.PBX.Watched() { // it is refused, so all stays as it is
		c.report.HEP, c.report.AMI, c.report.Files = shown(c.cfg.PBX.HEP), shown(c.cfg.PBX.AMI), []string{}
	}
	if facts != nil && !c.Off {
		c.report.Trunks = advise.OtherTrunks(facts, cfg)
	}
	return nil
}

// noteAccount says that the manager interface may not be believed.
func (c *connecting) noteAccount() {
	if c.Off || !c.plan.AMI || c.Root != "" || c.account.Running {
		return
	}
	if _, err := user.Lookup("asterisk"); err != nil {
		c.note("it is not known whom Asterisk runs as, since it does not run: if that is not root, run \"voipbl pbx connect\" again once it does")
	}
}

func shown(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// passwords returns those of the state folder, and makes them if there are none. A dry run makes none.
func (c *connecting) passwords() (secrets.Secrets, error) {
	if c.DryRun {
		s, err := secrets.Find(c.cfg.StateDir)
		if errors.Is(err, fs.ErrNotExist) || state.IsDamaged(err) {
			return secrets.Secrets{HEP: "made later", AMI: "made later"}, nil
		}
		return s, err
	}
	store, err := state.OpenStore(c.cfg)
	if err != nil {
		return secrets.Secrets{}, err
	}
	defer store.Close()
	s, err := secrets.Ensure(store)
	if err == nil && c.account.Running { // otherwise what was found before still counts
		err = secrets.Found(store, s, strconv.Itoa(c.account.UID))
	}
	return s, err
}

// runsAs says whom a running Asterisk runs as. No other user's program is believed to be the manager
// interface.
func (c *connecting) runsAs() string {
	if !c.account.Running {
		return ""
	}
	name := strconv.Itoa(c.account.UID)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return ", runs as " + name
}

func (c *connecting) show() {
	if c.JSON {
		return
	}
	t := screen.Table{}
	or := func(s string) string { return screen.OrNone(s) }
	t.Row("Asterisk", map[bool]string{true: "found", false: "not found"}[c.report.Asterisk]+c.runsAs())
	t.Row("pbx.hep", or(c.report.HEP)+map[bool]string{true: " (copies of SIP messages)"}[c.report.HEP != ""])
	t.Row("pbx.ami", or(c.report.AMI)+map[bool]string{true: " (Asterisk's manager interface)"}[c.report.AMI != ""])
	for i, f := range c.report.Files {
		t.Row(map[bool]string{true: "files of Asterisk"}[i == 0], f)
	}
	t.Print(c.Out)
	if c.Off && c.new.Equal(c.cfg) && len(c.report.Files) == 0 {
		c.Folded("Nothing is connected.")
	}
	if n := len(c.report.Trunks); n > 0 {
		c.Folded(fmt.Sprintf("A list could block %s, of which Asterisk tells nothing while it runs: %s. \"voipbl setup\" puts what it finds in Asterisk's files into \"firewall: {trunks: …}\".",
			screen.Plural(n, "trunk", "trunks"), strings.Join(c.report.Trunks, ", ")))
	}
	if hep := c.new.PBX.HEP; hep.Port() >= 1024 {
		c.Folded(fmt.Sprintf("Any user of this host can open port %d while the watcher is stopped, and gets the copies then: only ports below 1024 are safe from that, such as %s.", hep.Port(), defaultHEP))
	}
	if t := c.new.PBX.Traps; c.new.PBX.Watched() && !c.new.PBX.HEP.IsValid() && len(t.Extensions)+len(t.Agents) > 0 {
		c.Folded("Without copies of SIP messages, pbx.traps.extensions and pbx.traps.agents have no effect.")
	}
	if c.mayCopy && c.Copies == nil && c.new.PBX.AMI.IsValid() {
		c.Folded(unproved + " \"voipbl pbx connect --copies\" has Asterisk copy its SIP messages, too: " + copiesDo)
	}
}

// What an admin is told who may have Asterisk copy its SIP messages.
const (
	unproved = "By its manager interface alone, Asterisk does not prove wrong passwords over UDP: attackers there are banned as soon, but for ten minutes at a time, and are not reported."
	copiesDo = "then they are proved, bans grow, and pbx.traps may be numbers and programs. That costs Asterisk some 5 % of a processor at 100 calls a second, and 0.1 % at two calls a second."
)

// configure writes the configuration, and has a running agent take it over.
func (c *connecting) configure(ctx context.Context) error {
	if !c.new.Equal(c.cfg) {
		if err := configfile.Unedited(c.ConfigFile, c.text, c.verb()); err != nil {
			return err
		}
		if err := configfile.Replace(c.ConfigFile, c.newText); err != nil { // disconnect takes it back
			return fmt.Errorf("configuration: %w", err)
		}
		c.report.Written = c.ConfigFile
	}
	followed, err := takeover.Follow(ctx, c.new, takeover.Following{File: c.ConfigFile, MayLose: state.LoseNothing, Timeout: c.Wait})
	if err == nil && followed == nil && !c.Off {
		c.note("the agent does not run, and without it nothing follows from what the PBX sees: %s", units.Agent.StartRemedy(units.Systemd()))
	}
	return err
}

// watcher starts the unit of the watcher, or ends it.
func (c *connecting) watcher(ctx context.Context) error {
	if c.Root != "" {
		return nil // asterisk says so
	}
	if !units.Systemd() {
		if !c.Off {
			c.note("no systemd runs here: %s", units.Watcher.StartRemedy(false))
		}
		return nil
	}
	if c.Off {
		_, said, err := probe.Change(ctx, "systemctl", "disable", "--now", watcherUnit)
		if err != nil && !strings.Contains(said, "does not exist") && !strings.Contains(said, "not loaded") {
			return err
		}
		return nil
	}
	if _, err := user.Lookup(link.User); err != nil {
		return fmt.Errorf("there is no user %s, whom the watcher runs as: systemd-sysusers voipbl.conf, or reinstall the package", link.User)
	}
	if _, _, err := probe.Change(ctx, "systemctl", "enable", watcherUnit); err != nil {
		return err
	}
	_, _, err := probe.Change(ctx, "systemctl", "restart", watcherUnit)
	return err
}

// asterisk writes Asterisk's files, and has it read them.
func (c *connecting) asterisk(ctx context.Context) error {
	changes := len(c.plan.Files) > 0
	if err := c.plan.Apply(probe.New(ctx, c.Root).Path(connect.Folder)); err != nil {
		return err
	}
	if !changes && (c.Root != "" || !c.report.Asterisk) {
		return nil
	}
	if c.Root != "" {
		c.note("have that Asterisk read its files: %s", strings.Join(c.plan.Commands(), "; "))
		if !c.Off {
			c.note("start this host's watcher, if it does not run: %s", units.Watcher.StartRemedy(units.Systemd()))
		}
		return nil
	}
	err := c.plan.Reload(ctx, func(ctx context.Context, command string) (string, error) {
		out, _, err := probe.Run(ctx, "asterisk", "-rx", command)
		return out, err
	})
	if err != nil && changes {
		c.note("Asterisk reads its files at its next start, since it could not be asked now: %v", err)
	}
	return nil
}

// forget removes the passwords.
func (c *connecting) forget(context.Context) error {
	store, err := state.FindStore(c.cfg)
	if err != nil || store == nil {
		return err
	}
	defer store.Close()
	return secrets.Remove(store)
}

func (c *connecting) note(format string, args ...any) {
	c.report.Notes = append(c.report.Notes, fmt.Sprintf(format, args...))
}
