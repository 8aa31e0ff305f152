package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/pbx/secrets"
	"github.com/voipbl/voipbl/state"
)

// This file is what the agent gives the watcher of the PBX, and what it keeps of its health.

// maxHealth bounds a request about the watcher's health.
const maxHealth = 64 << 10

// giveSettings answers with the watcher's settings.
func (d *daemon) giveSettings(w http.ResponseWriter, r *http.Request) {
	cfg := *d.shared.Load()
	s, err := watcherSettings(cfg)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	now, _ := d.book.News.Since(0) // before the phones are read, lest one is banned meanwhile
	s.NextBan = now.Next
	phones, problem := known.ReadAll(cfg)
	if s.Unread = problem != nil; s.Unread {
		d.log.Warn("the watcher of the PBX begins without the phones that are known", "error", problem.Error)
	}
	for _, p := range phones.Rows() {
		s.Phones = append(s.Phones, link.Phone{Addr: p.Address, Account: p.Account, Transport: p.Transport, Since: p.Since, Until: p.Until})
	}
	state.Respond(w, s)
}

// watcherSettings returns the settings without phones. Without a password nothing is watched by it:
// anybody on this host could forge what comes.
func watcherSettings(cfg config.Config) (link.Settings, error) {
	s := link.Settings{
		Bans: cfg.PBX.BanAttackers, Trust: cfg.PBX.TrustRegistered,
		Traps: link.Traps(cfg.PBX.Traps),
	}
	if !cfg.PBX.Watched() {
		return s, nil
	}
	passwords, err := readSecrets(cfg)
	if err != nil {
		return s, err
	}
	if cfg.PBX.HEP.IsValid() {
		s.HEP, s.HEPPassword = cfg.PBX.HEP, passwords.HEP
	}
	if cfg.PBX.AMI.IsValid() {
		s.AMI, s.AMISecret, s.RunsAs = cfg.PBX.AMI, passwords.AMI, passwords.RunsAs
	}
	return s, nil
}

var errNoSecrets = errors.New("there are no passwords for the PBX: run \"voipbl pbx connect\"")

func readSecrets(cfg config.Config) (secrets.Secrets, error) {
	s, err := secrets.Find(cfg.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoSecrets
	}
	return s, err
}

// takeHealth keeps how the watcher is.
func (d *daemon) takeHealth(w http.ResponseWriter, r *http.Request) {
	var h link.Health
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxHealth)).Decode(&h); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	reported := &link.Reported{At: time.Now().UTC().Truncate(time.Second), Health: h.Clean()}
	d.state.change(func(now *state.AgentStatus) { now.PBX = reported })
	state.Respond(w, struct{}{})
}

// maxSerial bounds a request about another serial.
const maxSerial = 1 << 10

// awaitChange answers as soon as the watcher's settings are others than it has, or somebody is banned, or
// after a while.
func (d *daemon) awaitChange(w http.ResponseWriter, r *http.Request) {
	var had link.Serial
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSerial)).Decode(&had); err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(link.ChangeWait + state.RequestWait)); err != nil {
		d.log.Debug("the watcher of the PBX may have to ask again", "error", err)
	}
	enough := time.NewTimer(link.ChangeWait)
	defer enough.Stop()
	for waits := true; ; {
		adopted := d.adopted.next()
		bans, more := d.book.News.Since(had.NextBan)
		s, err := watcherSettings(*d.shared.Load())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if now := s.Serial(); now != had.Serial || len(bans.Banned) > 0 || bans.Missed || !waits {
			state.Respond(w, link.Change{Serial: link.Serial{Serial: now, NextBan: bans.Next}, Banned: bans.Banned, Missed: bans.Missed})
			return
		}
		select {
		case <-adopted:
		case <-more:
		case <-enough.C:
			waits = false
		case <-r.Context().Done():
			return
		}
	}
}

// bell is rung for everybody who waits for it.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

// next returns a channel that is closed when the bell is rung next.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}
