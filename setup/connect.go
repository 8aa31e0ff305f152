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
const watcherUnit = "voipbl-pbx.service"

// ConnectOptions are what the admin asks of "voipbl pbx connect" and "voipbl pbx disconnect".
type ConnectOptions struct {
	ConfigFile string
	Root       string // of the machine whose files are looked at and written, such as a container's; "" is this one
	Off        bool   // disconnect
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
	Written   string           `json:"written,omitempty"`
	Backup    string           `json:"backup,omitempty"`
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
	account  asterisk.Account // whom Asterisk runs as
}

// Connect connects a PBX with voipbl, or takes that back. It can be run again at any time: it does what
// is missing.
func Connect(ctx context.Context, on *screen.Screen, opts ConnectOptions) (*Connected, error) {
	c := &connecting{Screen: on, ConnectOptions: opts}
	c.report.Files, c.report.Notes = []string{}, []string{}
	err := c.run(ctx)
	if e := (*exit.Error)(nil); errors.As(err, &e) && e.Err != nil {
		c.report.Error = problem.Of(e.Err)
	}
	return &c.report, err
}

func (c *connecting) run(ctx context.Context) error {
	var err error
	if c.text, err = os.ReadFile(c.ConfigFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &exit.Error{Code: exit.Usage, Err: configfile.Unread(err)}
	}
	if c.cfg, err = configfile.Parse(c.ConfigFile, c.text); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if err := c.decide(ctx); err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	c.show()
	if !c.Off && !c.new.PBX.Watched() {
		c.showNotes()
		return &exit.Error{Code: exit.NotApplied, Err: errNoWay}
	}
	if c.DryRun {
		c.showNotes()
		return nil
	}
	steps := []func(context.Context) error{c.configure, c.watcher, c.asterisk}
	if c.Off { // the other way around: nothing is sent to where nobody listens
		steps = []func(context.Context) error{c.asterisk, c.configure, c.watcher, c.forget}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return &exit.Error{Code: exit.NotApplied, Err: err}
		}
	}
	c.report.Connected = !c.Off
	c.showNotes()
	if len(c.report.Notes) > 0 {
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}

// errNoWay is for a PBX of which neither way can be used. Nothing is changed then.
var errNoWay = errors.New("nothing is connected: neither copies of SIP messages nor the manager interface can be used")

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
	var want connect.Want
	switch {
	case c.Off:
		hep, ami = netip.AddrPort{}, netip.AddrPort{}
	default:
		if !hep.IsValid() {
			hep = defaultHEP
		}
		if facts != nil {
			c.account = asterisk.AccountOf(look)
		}
		s, err := c.passwords()
		if err != nil {
			return err
		}
		want = connect.Want{HEP: hep, HEPPassword: s.HEP, PasswordsIn: secrets.Path(c.cfg.StateDir)}
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
		if c.plan, err = connect.New(files, facts, want); err != nil {
			return err
		}
		if !c.Off && !c.plan.HEP {
			hep = netip.AddrPort{}
		}
		if !c.Off && !c.plan.AMI {
			ami = netip.AddrPort{}
		}
		c.noteAccount()
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
		return secrets.Secrets{HEP: "made later", AMI: "made later"}, nil
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
}

// configure writes the configuration, and has a running agent take it over.
func (c *connecting) configure(ctx context.Context) error {
	if !c.new.Equal(c.cfg) {
		if err := configfile.Unedited(c.ConfigFile, c.text); err != nil {
			return err
		}
		backup, err := configfile.Write(c.ConfigFile, c.text, c.newText, time.Now())
		c.report.Backup = backup
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		c.report.Written = c.ConfigFile
	}
	_, err := takeover.Follow(ctx, c.new, takeover.Following{File: c.ConfigFile, MayLose: state.LoseNothing, Timeout: c.Wait})
	return err
}

// watcher starts the unit of the watcher, or ends it.
func (c *connecting) watcher(ctx context.Context) error {
	if c.Root != "" {
		return nil // asterisk says so
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		if !c.Off {
			c.note("no systemd runs here: start \"voipbl pbx run\" yourself")
		}
		return nil
	}
	if c.Off {
		_, said, err := probe.Run(ctx, "systemctl", "disable", "--now", watcherUnit)
		if err != nil && !strings.Contains(said, "does not exist") && !strings.Contains(said, "not loaded") {
			return err
		}
		return nil
	}
	if _, err := user.Lookup(link.User); err != nil {
		return fmt.Errorf("there is no user %s, whom the watcher runs as: systemd-sysusers voipbl.conf, or reinstall the package", link.User)
	}
	if _, _, err := probe.Run(ctx, "systemctl", "enable", watcherUnit); err != nil {
		return err
	}
	_, _, err := probe.Run(ctx, "systemctl", "restart", watcherUnit)
	return err
}

// asterisk writes Asterisk's files, and has it read them.
func (c *connecting) asterisk(ctx context.Context) error {
	changes := len(c.plan.Files) > 0
	if !changes && (c.Root != "" || !c.report.Asterisk) {
		return nil
	}
	if err := c.plan.Apply(probe.New(ctx, c.Root).Path(connect.Folder)); err != nil {
		return err
	}
	if c.Root != "" {
		c.note("have that Asterisk read its files: %s", strings.Join(c.plan.Commands(), "; "))
		if !c.Off {
			c.note("start this host's watcher, if it does not run: systemctl enable --now %s", watcherUnit)
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
