package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// AddFeedOptions are what the admin asks of "voipbl feeds add".
type AddFeedOptions struct {
	ConfigFile string
	Name       string // of a preset
	DryRun     bool
	Wait       time.Duration // how long to wait for another voipbl process
}

// AddedFeed is what "voipbl feeds add --json" prints.
type AddedFeed struct {
	Name   string           `json:"name"`
	Added  bool             `json:"added"` // now; false if there is a feed of that name already, and after a dry run
	Text   string           `json:"text"`  // the feed, as it stands in the configuration
	Backup string           `json:"backup,omitempty"`
	Agent  bool             `json:"agent"` // one runs, and fetches the list
	Error  *problem.Problem `json:"error,omitempty"`
}

// AddFeed adds a preset to the feeds of the configuration, and has a running agent take that over.
func AddFeed(ctx context.Context, opts AddFeedOptions) (*AddedFeed, error) {
	a := &addingFeed{AddFeedOptions: opts, report: AddedFeed{Name: opts.Name}}
	err := a.run(ctx)
	if e := (*exit.Error)(nil); errors.As(err, &e) && e.Err != nil {
		a.report.Error = problem.Of(e.Err)
	}
	return &a.report, err
}

// addingFeed is one run of the verb.
type addingFeed struct {
	AddFeedOptions
	report  AddedFeed
	text    []byte // the present configuration; nil if there is none
	cfg     config.Config
	newText []byte
}

func (a *addingFeed) verb() string { return "voipbl feeds add " + a.Name }

func (a *addingFeed) run(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return &exit.Error{Code: exit.NotApplied, Err: (&problem.Problem{Error: "only root can change the configuration", Remedy: "run it as root"}).Err()}
	}
	preset, known := feeds.PresetOf(a.Name)
	if !known {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{
			Error: fmt.Sprintf("there is no preset %q", a.Name), Remedy: "see \"voipbl feeds presets\"; add other lists to \"feeds\" by hand",
		}).Err()}
	}
	if err := a.decide(preset); err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if a.DryRun {
		return nil
	}
	if file := preset.Feed().Access.SecretFile; file != "" { // no fetch fails for want of it
		if _, err := fetch.ReadSecret(file); err != nil {
			return &exit.Error{Code: exit.NotApplied, Err: fmt.Errorf("%w; it needs %s", fetch.SecretFile(a.Name, file, err), preset.Needs)}
		}
	}
	unlock, err := state.Lock(ctx, a.cfg.RunDir, state.ConnectLock, a.verb(), a.Wait, nil)
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	defer unlock()
	if err := a.decide(preset); err != nil { // another one may have changed the file
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if err := a.configure(ctx); err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	return nil
}

// decide reads the configuration, and finds out what it will be.
func (a *addingFeed) decide(preset feeds.Preset) (err error) {
	if a.text, err = os.ReadFile(a.ConfigFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return configfile.Unread(err)
	}
	if _, err = configfile.Parse(a.ConfigFile, a.text); err != nil {
		return err
	}
	a.report.Text = preset.Item()
	a.newText, a.cfg, err = advise.WithFeed(a.text, preset.Feed(), preset.Item(), preset.About)
	return err
}

// configure writes the configuration, and has a running agent take it over.
func (a *addingFeed) configure(ctx context.Context) error {
	if string(a.newText) != string(a.text) {
		if err := configfile.Unedited(a.ConfigFile, a.text, a.verb()); err != nil {
			return err
		}
		backup, err := configfile.Write(a.ConfigFile, a.text, a.newText, time.Now())
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		a.report.Added, a.report.Backup = true, backup
	}
	followed, err := takeover.Follow(ctx, a.cfg, takeover.Following{File: a.ConfigFile, MayLose: state.LoseNothing, Timeout: a.Wait})
	a.report.Agent = followed != nil
	if err != nil && a.report.Added {
		p := problem.Of(err)
		p.Error += "; " + a.ConfigFile + " is changed already"
		if p.Remedy == "" {
			p.Remedy = "run \"voipbl reload\""
		}
		return p.Err()
	}
	return err
}
