package agent

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// RunOptions are what the caller of Run says.
type RunOptions struct {
	Version    string
	ConfigFile string
	Load       func() (config.Config, error) // reads the configuration anew
	LastGood   func() (config.Config, error) // what to start with if that has a mistake
	Reload     <-chan os.Signal              // asks for that
	Log        *slog.Logger
}

// Run keeps the host protected until ctx ends. First it puts the last good copies
// and the rules into the kernel, without the network; if that fails, Run does. Then
// it tells systemd that it is ready, fetches each feed by its schedule, and undoes
// what others do to our sets and rules. When it ends, protection stays.
func Run(ctx context.Context, opts RunOptions) error {
	start := newStarting(opts.Log)
	var cfg config.Config
	mistake := start.try(ctx, func() (err error) { cfg, err = opts.Load(); return err }, isMistake)
	if mistake == nil {
		mistake = setnames.CheckNames(ctx, cfg)
	}
	if mistake != nil {
		var err error
		if cfg, err = opts.LastGood(); err != nil {
			return mistake
		}
	}
	var hold *state.AgentHold
	err := start.try(ctx, func() (err error) { hold, err = state.HoldAgent(ctx, cfg, "voipbl run"); return err }, isLasting)
	if err != nil {
		return err
	}
	defer hold.Release()
	d := &daemon{hold: hold, opts: opts, log: opts.Log, cfg: cfg, asks: make(chan request), allows: make(chan request), begun: time.Now(), book: &bans.Book{Cfg: cfg, Strangers: make(map[cidr.Prefix]time.Duration)}}
	d.shared.Store(&cfg)
	now := time.Now().UTC().Truncate(time.Second)
	d.state.now = state.AgentStatus{
		PID: os.Getpid(), Version: opts.Version, Since: now, ConfigFile: opts.ConfigFile, ConfigLoaded: now,
		Steps: []state.StepTime{}, Repairs: state.Repairs{Last: []state.Repair{}},
	}
	if d.state.now.NoMounts = withoutMounts(); d.state.now.NoMounts {
		d.log.Warn("nothing may be mounted on this host, so systemd keeps less of it out of the agent's reach; it protects all the same", "remedy", "in LXC: nesting")
	}
	if mistake != nil {
		d.refuse("start", mistake)
	}
	if problem.IsShortage(mistake) {
		d.agenda.set(rereadTask, time.Now().Add(tick))
	}
	d.findOldSets(ctx)
	if err := start.apply(ctx, d); err != nil {
		return err
	}
	if mistake == nil {
		d.keepConfig()
	}
	return d.serve(ctx, start)
}

// isMistake reports whether a configuration that cannot be loaded will not be loaded the
// next time either.
func isMistake(err error) bool { return !problem.IsShortage(err) }

// daemon is the agent at work. All that changes the kernel happens in its loop, one
// thing after the other; fetching, listening and answering go on beside it.
type daemon struct {
	opts    RunOptions
	hold    *state.AgentHold
	log     *slog.Logger
	cfg     config.Config                 // for the loop
	shared  atomic.Pointer[config.Config] // the same for others, who read it at any time
	state   agentState
	fetcher *fetcher
	files   *fileWatch
	metrics *metricsServer
	reports *reporter
	asks    chan request // of reload, to be answered
	allows  chan request // of "voipbl allow", likewise

	agenda   agenda        // when each task is due
	applyWhy []string      // of applyTask
	failures int           // to apply, in a row
	unread   int           // how often in a row a local list could not be read
	took     time.Duration // the last time
	book     *bans.Book    // the list of bans

	foreignBans bool                // a set of bans was made by somebody else, when they were last compared
	configAt    time.Time           // when somebody began to change it
	pathsAt     time.Time           // when local feeds were last read
	oldSets     []setnames.NamedSet // of a configuration that is gone

	drift
	said  map[string]bool      // warnings that were logged and still hold
	stale map[string]time.Time // since when a stale feed was last told about
	host  string               // see hostAddresses

	troubled    map[string]bool // "sets" or "rules" of one family; see warnOfFamilies
	reportError string          // see sayOnce; the reporter's own
	ready       bool

	begun time.Time
}

const (
	// tick is how often the agent looks around: at what costs next to nothing.
	tick = 5 * time.Second

	// settle is for how long changes are gathered before they are put in force
	// together: files are written one after the other, feeds finish together.
	settle = 500 * time.Millisecond

	// filesPace keeps lists that are written all the time from filling the
	// machine: after putting them in force there is a pause of that many times
	// as long.
	filesPace = 5

	// A failed apply is tried again after this, and after twice as long each
	// time up to a minute.
	applyPause    = 5 * time.Second
	maxApplyPause = time.Minute
)

// serve is all that follows the start.
func (d *daemon) serve(ctx context.Context, start *starting) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.fetcher = newFetcher(hostSplay(machineID()), d.past, d.fetchRound)
	d.reports = newReporter(d.sendReports)
	d.files = &fileWatch{}
	defer func() { d.files.close() }()
	d.watchFiles(ctx, time.Now())
	d.host = host.HostAddresses()
	bans := bans.NewServer(func() config.Config { return *d.shared.Load() }, d.book)
	go bans.Run(ctx)
	var control *control
	if err := start.try(ctx, func() (err error) { control, err = d.listen(bans); return err }, isLasting); err != nil {
		return err
	}
	defer control.close()
	d.metrics = newMetricsServer(d)
	defer d.metrics.close()
	d.listenForMetrics(ctx, time.Now())
	news, err := firewall.Watch(ctx)
	if err != nil {
		d.log.Warn("the kernel's news about rules cannot be listened to, so it is asked every few seconds", "error", err)
	}
	go d.fetcher.run(ctx, d.cfg)
	defer drainAll(d.fetcher.done)
	go d.reports.run(ctx)
	defer drainAll(d.reports.done)
	defer cancel()

	d.agenda.set(shoutTask, time.Now())
	d.ready = true
	d.tellSystemd("READY=1")
	words := "protected"
	if d.entries == 0 {
		words = "ready, with empty sets until a feed has been fetched"
	}
	if p := d.state.get().ApplyError; p != nil {
		words = "ready, and not protected as configured: " + p.Error
	}
	d.log.Info(words, "set", d.cfg.Set, "entries", d.entries, "feeds", len(d.cfg.Feeds), "version", d.opts.Version)
	err = d.loop(ctx, news, host.WatchHost(ctx))
	d.tellSystemd("STOPPING=1")
	d.log.Info("stopped: sets and rules stay in force")
	return err
}

// LostLockError is the run folder having been taken away from under the agent: another
// one may be started beside it.
type LostLockError struct{ Dir string }

func (e *LostLockError) Error() string {
	return "the agent's lock is gone from " + e.Dir + ": somebody has removed the folder"
}

// Remedy says what to do about it.
func (e *LostLockError) Remedy() string { return "start the agent anew, and leave run_dir alone" }

// drainAll waits until the channel is closed.
func drainAll[T any](c <-chan T) {
	for range c {
	}
}

func (d *daemon) loop(ctx context.Context, news, hostNews <-chan struct{}) error {
	dog := newWatchdog()
	for ctx.Err() == nil {
		lost, err := d.hold.Lost()
		if lost {
			return &LostLockError{d.cfg.RunDir}
		}
		d.warnIf("lock", err) // which does not say that it is lost
		events, troubles := d.files.channels()
		d.work(ctx, time.Now())
		d.feed(dog)
		wake := time.NewTimer(time.Until(dog.next(d.agenda.next(time.Now().Add(tick)))))
		select {
		case <-ctx.Done():
		case <-wake.C:
		case <-d.opts.Reload:
			d.reload(ctx, "SIGHUP", state.LoseAny)
		case asked := <-d.asks:
			err := d.reload(ctx, "a command asks for it", asked.mayLose)
			if err == nil {
				err = d.apply(ctx, "configuration")
			}
			asked.done <- err
		case asked := <-d.allows:
			asked.done <- d.allowedChanged(ctx)
		case f, open := <-d.fetcher.done:
			if open {
				d.fetched(f)
			}
		case _, open := <-news:
			if !open {
				news = nil
			}
			d.lookSoon(time.Now())
		case <-hostNews:
			if !d.agenda.planned(hostTask) {
				d.agenda.set(hostTask, time.Now().Add(host.HostPause)) // a lot of little news
			}
		case event := <-events:
			d.fileChanged(event)
		case err := <-troubles:
			d.log.Warn("some changes of files may have been missed", "error", err)
			d.applySoon("files", settle)
			d.reports.poke()
		}
		wake.Stop()
	}
	return nil
}
