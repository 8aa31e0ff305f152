package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/pbx/connect"
	"github.com/voipbl/voipbl/pbx/secrets"
	"github.com/voipbl/voipbl/state"
)

// Unconnected returns what is not in Asterisk's files as "voipbl pbx connect" writes it, in sentences. It
// changes nothing. Who may not read the passwords is told nothing; nor is anybody of a host without
// Asterisk, or which is not to be watched.
func Unconnected(ctx context.Context, root string, cfg config.Config) ([]string, error) {
	look := probe.New(ctx, root)
	facts := asterisk.Look(look)
	if facts == nil || !cfg.PBX.Watched() {
		return nil, nil
	}
	s, err := readPasswords(cfg)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) { // without them the status says why nothing is watched
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files, err := connect.Read(look.Path(connect.Folder))
	if err != nil {
		return nil, err
	}
	reader := asterisk.AccountOf(look)
	if !reader.Running { // it may be another one than when Asterisk was connected
		reader = asterisk.Account{GIDs: []int{0}}
	}
	plan := connect.New(files, facts, connect.Want{HEP: cfg.PBX.HEP, HEPPassword: s.HEP, AMISecret: s.AMI, Reader: reader})
	return unconnected(cfg.PBX, plan, facts), nil
}

func readPasswords(cfg config.Config) (secrets.Secrets, error) {
	store, err := state.FindStore(cfg)
	if err != nil {
		return secrets.Secrets{}, err
	}
	if store == nil {
		return secrets.Secrets{}, fs.ErrNotExist
	}
	defer store.Close()
	return secrets.Read(store)
}

// unconnected compares the configuration with what a plan would change. What is written by hand is
// judged by Asterisk's configuration alone.
func unconnected(cfg config.PBX, plan connect.Plan, facts *asterisk.Facts) (all []string) {
	hep := facts.HEP
	switch {
	case cfg.HEP.IsValid() && (plan.ChangesHEP() || !plan.HEP || !hep.Enabled || hep.To != cfg.HEP.String()):
		all = append(all, fmt.Sprintf("hep.conf is not as \"voipbl pbx connect\" writes it: Asterisk does not copy its SIP messages to %s, or with another password, now or from its next start on", cfg.HEP))
	case !cfg.HEP.IsValid() && plan.ChangesHEP():
		all = append(all, "hep.conf has Asterisk copy its SIP messages to voipbl, and pbx.hep is off")
	}
	manager := facts.Manager
	if cfg.AMI.IsValid() && (plan.ChangesAMI() || !plan.AMI || !slices.Contains(manager.Users, connect.User) || manager.Listens.Port() != cfg.AMI.Port()) {
		all = append(all, fmt.Sprintf("Asterisk's files do not let voipbl log in at its manager interface at %s as \"voipbl pbx connect\" writes them, now or from its next start on", cfg.AMI))
	}
	return all
}
