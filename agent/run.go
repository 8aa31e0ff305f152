package agent

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// Run keeps the host protected until ctx ends. First it puts the last good copies and the rules
// into the kernel, without the network; if that fails, it returns the error. Then it tells
// systemd that it is ready, fetches each feed by its schedule, and repairs what others change in
// voipbl's sets and rules. When it ends, sets and rules stay in force.
func Run(ctx context.Context, opts RunOptions) error {
	start := newStarting(opts.Log)
	var cfg config.Config
	mistake := start.try(ctx, func() (err error) { cfg, err = opts.Load(); return err }, isMistake)
	if mistake == nil {
		mistake = setnames.CheckNames(ctx, cfg)
	}
	file := cfg
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
	d := &daemon{hold: hold, opts: opts, log: opts.Log, cfg: cfg, lists: newLists(), asks: make(chan request), allows: make(chan request), listed: make(chan struct{}, 1), trunks: make(chan struct{}, 1), document: make(chan struct{}, 1), begun: time.Now(), drift: drift{large: blocklist.CheapHeader}, book: &bans.Book{Cfg: cfg, Strangers: make(map[cidr.Prefix]time.Duration), News: bans.NewNews(time.Now())}}
	d.shared.Store(&cfg)
	now := time.Now().UTC().Truncate(time.Second)
	d.state.now = state.AgentStatus{
		PID: os.Getpid(), Version: opts.Version, Since: now, ConfigFile: opts.ConfigFile, ConfigLoaded: now,
		Steps: []state.StepTime{}, Repairs: state.Repairs{Last: []state.Repair{}},
	}
	if d.state.now.NoMounts = withoutMounts(); d.state.now.NoMounts {
		d.log.Warn("nothing may be mounted on this host, so systemd restricts the agent less; it protects this host all the same", "remedy", "in LXC: nesting")
	}
	if mistake != nil {
		d.asked = &asked{file, state.LoseAny}
		d.refuse("start", file, mistake)
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

// serve is everything after the start. It sends READY to systemd once all parts beside the loop
// are ready. It also has the whole end, in this order: the loop ends, so nothing changes any
// more; STOPPING goes to systemd; the parts beside the loop end; what serve opened is closed.
func (d *daemon) serve(ctx context.Context, start *starting) error {
	d.fetcher = newFetcher(feeds.TimesOf, d.past, d.fetchRound)
	d.fetcher.lists = d.lists
	d.reports = newReporter(d.sendReports)
	d.files = &fileWatch{}
	d.watchFiles(ctx, time.Now())
	d.host = host.Addresses()
	banned := bans.NewServer(func() config.Config { return *d.shared.Load() }, d.book)
	phones, attackers := d.phones(), newAttackers(d)
	var asked, pbx, fleet *control
	if err := start.try(ctx, func() (err error) { asked, err = d.listen(banned, phones); return err }, isLasting); err != nil {
		d.files.close()
		return err
	}
	if err := start.try(ctx, func() (err error) { pbx, err = d.listenToPBX(banned, attackers, phones); return err }, isLasting); err != nil {
		asked.close()
		d.files.close()
		return err
	}
	if err := start.try(ctx, func() (err error) { fleet, err = d.listenToFleet(banned); return err }, isLasting); err != nil {
		asked.close()
		pbx.close()
		d.files.close()
		return err
	}
	d.metrics = newMetricsServer(d)
	d.listenForMetrics(ctx, time.Now())
	besides, stop := context.WithCancel(ctx)
	cfg := d.cfg
	beside, running := startParts(besides,
		part{"the agent's socket", asked.run},
		part{"the socket for what watches the PBX", pbx.run},
		part{"the socket for the fleet", fleet.run},
		part{"bans", banned.Run},
		part{"attackers to report", attackers.run},
		part{"fetching", func(ctx context.Context, ready func()) error { d.fetcher.run(ctx, cfg, ready); return nil }},
		part{"reports", func(ctx context.Context, ready func()) error { d.reports.run(ctx, ready); return nil }},
	)
	news, deaf := firewall.Watch(running)
	if deaf != nil {
		d.log.Warn("the agent cannot listen to the kernel's news about rules, so it checks them every few seconds", "error", deaf)
	}
	hostNews := host.Watch(running)
	var err error
	if running.Err() == nil {
		d.tellReady()
		err = d.loop(running, news, hostNews)
	}

	d.tellSystemd("STOPPING=1")
	stop()
	drainAll(d.fetcher.done) // which the fetcher may send to until it ends
	err = cmp.Or(err, beside.Wait())
	d.metrics.close()
	d.files.close()
	d.closeSets()
	d.log.Info("stopped: sets and rules stay in force")
	return err
}

// tellReady tells systemd that the agent is ready, and logs how far the host is protected.
func (d *daemon) tellReady() {
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
}

// drainAll waits until the channel is closed.
func drainAll[T any](c <-chan T) {
	for range c {
	}
}

// loop does the agent's tasks, one after the other, until ctx ends.
func (d *daemon) loop(ctx context.Context, news, hostNews <-chan struct{}) error {
	dog := newWatchdog()
	for ctx.Err() == nil {
		lost, err := d.hold.Lost()
		if lost {
			return &lostLockError{d.cfg.RunDir}
		}
		d.warnIf("lock", err) // an error that does not mean that the lock is lost
		events, troubles := d.files.channels()
		d.work(ctx, time.Now())
		d.feed(dog)
		wake := time.NewTimer(time.Until(dog.next(d.agenda.next(time.Now()))))
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
		case <-d.listed:
			d.phoneListed(time.Now())
		case <-d.trunks:
			d.trunksChanged(ctx)
		case <-d.document:
			d.documentChanged(ctx)
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
				d.agenda.set(hostTask, time.Now().Add(host.WatchPause)) // wait: news of one change come in many pieces
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
