package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
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
	if cfg.PBX.TrustRegistered {
		rows, problem := known.Rows(cfg)
		if problem != nil {
			d.log.Warn("the watcher of the PBX begins without the phones that are known", "error", problem.Error)
		}
		for _, p := range rows {
			s.Phones = append(s.Phones, link.Phone{Addr: p.Address, Account: p.Account, Transport: p.Transport, Since: p.Since, Until: p.Until})
		}
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
	store, err := state.FindStore(cfg)
	if err != nil {
		return secrets.Secrets{}, err
	}
	if store == nil {
		return secrets.Secrets{}, errNoSecrets
	}
	defer store.Close()
	s, err := secrets.Read(store)
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
	s, err := watcherSettings(*d.shared.Load())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	reported := &link.Reported{At: time.Now().UTC().Truncate(time.Second), Health: h.Clean()}
	d.state.change(func(now *state.AgentStatus) { now.PBX = reported })
	state.Respond(w, link.Heard{Serial: s.Serial()})
}
