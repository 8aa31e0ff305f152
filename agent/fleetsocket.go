package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/quota"
	"github.com/voipbl/voipbl/state"
)

// This file is the socket for the process that talks with the hub of the fleet, which reads what the
// network sends: see [state.FleetSocket]. Whatever comes from there is checked as if a stranger had sent it,
// and costs little time and memory.

const (
	// mostOfFleet is how many connections this socket has at a time. The process needs four: it
	// waits for changes, tells of bans and of its health, and reads what is held.
	mostOfFleet = 6

	// mostListings is how many requests for this host's own bans are answered in a minute, and at once
	// after a quiet time. The process asks for them after each change, four times a second at most.
	mostListings = 600

	// mostHeld is the same for those of others, which may be tens of thousands. The process asks for
	// them every five minutes, and after it has not reached the agent.
	mostHeld = 12

	// mostQuestions is the same of small requests, which cost some ten microseconds each: for settings and
	// changes, and about its health.
	mostQuestions = 6000

	// mostBeats is the same of heartbeats, for each of which the kernel is asked. The process asks every
	// minute, and after a change, every five seconds at most.
	mostBeats = 20

	// mostLooks is the same of what is asked and told about lists, for which files of each list are read. The
	// process does both once a second at most, and then once every twenty.
	mostLooks = 120

	// beatAge is how old the status in a heartbeat may be, which the metrics tell, too.
	beatAge = 4 * time.Second

	// mostFleetWarnings is how many warnings an hour may have, of which the process causes some.
	mostFleetWarnings = 6

	// maxCreds is the most bytes of the file fleet.creds, which has about two thousand.
	maxCreds = 64 << 10

	// maxFleetHealth and maxFleetSeen bound requests about its health, and about changes.
	maxFleetHealth = 64 << 10
	maxFleetSeen   = 1 << 10
)

// listenToFleet creates the socket for the process that talks with the hub of the fleet.
func (d *daemon) listenToFleet(banned *bans.Server) (*control, error) {
	listener, folder, err := d.listenAt(state.FleetSocket)
	if err != nil {
		return nil, err
	}
	if err := letIn(state.SocketPath(folder, state.FleetSocket), state.FleetGroup); err != nil {
		d.log.Warn("only root can tell the agent what the fleet says", "error", err)
	}
	others := bans.NewFleetServer(banned, d.seldom(mostFleetWarnings, time.Hour))
	rarely := func(most int, serve http.HandlerFunc) http.HandlerFunc {
		return fewer(&quota.Quota{Most: most, Per: time.Minute}, serve)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+link.SettingsPath, rarely(mostQuestions, d.giveFleetSettings))
	mux.HandleFunc("POST "+link.ChangePath, rarely(mostQuestions, d.awaitFleetChange))
	mux.HandleFunc("POST "+link.OwnPath, rarely(mostListings, others.ServeOwn))
	mux.HandleFunc("POST "+link.HeldPath, rarely(mostHeld, onlyOne(others.ServeHeld)))
	mux.HandleFunc("POST "+link.OthersPath, others.ServeOthers)
	mux.HandleFunc("POST "+link.HealthPath, rarely(mostQuestions, d.takeFleetHealth))
	mux.HandleFunc("POST "+link.BeatPath, rarely(mostBeats, d.giveBeat))
	mux.HandleFunc("POST "+link.DocumentPath, rarely(mostDocuments, onlyOne(d.documents().Serve)))
	mux.HandleFunc("POST "+link.ListsPath, rarely(mostLooks, d.serveLists))
	mux.HandleFunc("POST "+link.OffersPath, rarely(mostLooks, d.takeOffers))
	mux.HandleFunc("POST "+link.MinePath, rarely(mostCopies, onlyOne(d.giveList)))
	mux.HandleFunc("POST "+link.CopyPath+"{sum}", rarely(mostCopies, d.takeCopy))
	server := &http.Server{
		Handler: mux, MaxHeaderBytes: 4 << 10,
		ReadTimeout: pbxReadWait, WriteTimeout: state.RequestWait, IdleTimeout: pbxIdle,
	}
	return &control{server, limited(listener, mostOfFleet), folder}, nil
}

// onlyOne answers one request at a time: each takes memory while it is answered.
func onlyOne(serve http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		serve(w, r)
	}
}

// giveFleetSettings answers with the settings of the fleet's process.
func (d *daemon) giveFleetSettings(w http.ResponseWriter, _ *http.Request) {
	state.Respond(w, d.fleetSettings())
}

// giveBeat answers with what this host tells the operator of the fleet about itself.
func (d *daemon) giveBeat(w http.ResponseWriter, _ *http.Request) {
	s, cfg, err := d.metrics.collector.Status(beatAge)
	if err != nil {
		d.log.Debug("no heartbeat", "error", err)
		http.Error(w, "the status cannot be read", http.StatusInternalServerError)
		return
	}
	state.Respond(w, s.Beat(cfg, time.Now()))
}

// fleetSettings returns the settings of the fleet's process, with its credentials as they are now.
func (d *daemon) fleetSettings() link.Settings {
	cfg := *d.shared.Load()
	f := cfg.Fleet
	s := link.Settings{
		Hubs: f.Hubs, Publish: f.Publish, Accept: f.Accept, Trust: f.Trust, Agree: f.Agree, Proved: f.Proved,
		Longest: f.Longest, PerHost: f.PerHost, Most: f.Most, Instance: instance(),
	}
	if s.Hubs == nil {
		s.Hubs = []string{}
	}
	s = withDocument(s, cfg)
	var trouble *problem.Problem
	if f.On() {
		s.Creds, trouble = readCreds(f)
	}
	if trouble != nil {
		s.Error = trouble.Error
	}
	d.noteCreds(trouble)
	return s
}

// noteCreds keeps why there are no credentials; nil if there are, or none are needed.
func (d *daemon) noteCreds(trouble *problem.Problem) {
	before := d.state.get().FleetError
	if (before == nil) == (trouble == nil) && (trouble == nil || *before == *trouble) {
		return
	}
	d.state.change(func(now *state.AgentStatus) { now.FleetError = trouble })
	if trouble != nil {
		d.log.Warn("this host cannot talk with the hub of the fleet", "error", trouble.Error, "remedy", trouble.Remedy)
	}
}

// instance is another text on each host, and after each boot. Containers share a boot, and have networks of
// their own; copies of a machine share everything but a boot.
func instance() string {
	var network unix.Stat_t
	_ = unix.Stat("/proc/self/ns/net", &network) // without it, a boot alone
	return checksum.Of([]any{firewall.Boot(), network.Dev, network.Ino})
}

// readCreds returns the text of the file fleet.creds. Anybody else who can write it could make this host
// another one, and who can read it could be this host.
func readCreds(f config.Fleet) (string, *problem.Problem) {
	trouble := func(remedy, format string, args ...any) (string, *problem.Problem) {
		return "", &problem.Problem{Error: f.Creds + fmt.Sprintf(format, args...), Remedy: remedy}
	}
	file, err := os.OpenFile(f.Creds, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) // a FIFO must not hold the agent up
	if errors.Is(err, fs.ErrNotExist) {
		return trouble(joinRemedy, " does not exist")
	}
	if err != nil {
		return "", problem.Of(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", problem.Of(err)
	}
	switch stat := info.Sys().(*syscall.Stat_t); {
	case !info.Mode().IsRegular():
		return trouble(joinRemedy, " is no regular file")
	case stat.Uid != 0:
		return trouble("chown root "+f.Creds, " does not belong to root")
	case info.Mode().Perm()&^0o640 != 0:
		return trouble("chmod 600 "+f.Creds, " can be read or written by others (%04o)", info.Mode().Perm())
	case info.Size() > maxCreds:
		return trouble(joinRemedy, " has %d bytes, which are no credentials", info.Size())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxCreds))
	if err != nil {
		return "", problem.Of(err)
	}
	return string(text), nil
}

// joinRemedy is what to do where the credentials are missing.
const joinRemedy = "have the operator of the fleet make a join file for this host, and join with it"

// takeFleetHealth keeps how the fleet's process is.
func (d *daemon) takeFleetHealth(w http.ResponseWriter, r *http.Request) {
	var h link.Health
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFleetHealth)).Decode(&h); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	reported := &link.Reported{At: time.Now().UTC().Truncate(time.Second), Health: h.Clean()}
	d.state.change(func(now *state.AgentStatus) {
		now.Fleet = reported
		if !h.Connected.IsZero() && h.Synced {
			now.FleetConnected = reported.At
		}
	})
	state.Respond(w, struct{}{})
}

// awaitFleetChange answers as soon as the settings of the fleet's process, or this host's own bans, are
// others than it has, or after a while.
func (d *daemon) awaitFleetChange(w http.ResponseWriter, r *http.Request) {
	var had link.Seen
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFleetSeen)).Decode(&had); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(link.ChangeWait + state.RequestWait)); err != nil {
		d.log.Debug("the fleet's process may have to ask again", "error", err)
	}
	enough := time.NewTimer(link.ChangeWait)
	defer enough.Stop()
	for waits := true; ; {
		adopted := d.adopted.next()
		own, more := d.book.OwnSerial()
		status, told := d.state.next()
		lists, asks := d.lists.since()
		now := link.Seen{Settings: d.fleetSettings().Serial(), Own: own, Status: status, Lists: lists}
		if now != had || !waits {
			state.Respond(w, now)
			return
		}
		select {
		case <-adopted:
		case <-more:
		case <-told:
		case <-asks:
		case <-enough.C:
			waits = false
		case <-r.Context().Done():
			return
		}
	}
}
