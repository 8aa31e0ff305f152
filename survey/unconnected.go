package survey

import (
	"context"
	"errors"
	"io/fs"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/pbx/connect"
	"github.com/voipbl/voipbl/pbx/secrets"
)

// Unconnected returns what is not in Asterisk's files as "voipbl pbx connect" writes it, in sentences. Who
// may not read the passwords is told nothing; nor is anybody of a host without Asterisk, or which is not
// to be watched.
func Unconnected(ctx context.Context, root string, facts *asterisk.Facts, cfg config.Config) ([]string, error) {
	if facts == nil || !cfg.PBX.Watched() {
		return nil, nil
	}
	s, err := secrets.Find(cfg.StateDir)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) { // without them the status says why nothing is watched
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	look := probe.New(ctx, root)
	files, err := connect.Read(look.Path(connect.Folder))
	if err != nil {
		return nil, err
	}
	reader := asterisk.AccountOf(look)
	if !reader.Running { // it may be another one than when Asterisk was connected
		reader = asterisk.Account{GIDs: []int{0}}
	}
	plan := connect.New(files, facts, connect.Want{HEP: cfg.PBX.HEP, HEPPassword: s.HEP, AMISecret: s.AMI, Reader: reader})
	return plan.Unlike(facts, cfg.PBX.HEP, cfg.PBX.AMI), nil
}
