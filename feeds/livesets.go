package feeds

import (
	"errors"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// dump reads the live sets in the background.
type dump struct {
	kernel *ipsetsync.Kernel
	cfg    config.Config
	lives  [2]*ipsetsync.Live
	done   chan error
}

// StartDump begins to read the live sets of the lists. Wait returns them.
func StartDump(cfg config.Config, kernel *ipsetsync.Kernel) *dump {
	d := &dump{kernel: kernel, cfg: cfg, done: make(chan error, 1)}
	go func() { d.done <- d.read() }()
	return d
}

func (d *dump) read() (err error) {
	for _, f := range cidr.Families {
		if d.lives[f], err = d.kernel.DumpUnsorted(d.cfg.SetName(int(f))); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
			return err
		}
	}
	return nil
}

// readLive returns what the sets of the lists hold in the kernel, as far as it can be read.
func readLive(cfg config.Config) cidr.Sets {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return cidr.Sets{}
	}
	defer kernel.Close()
	d := &dump{kernel: kernel, cfg: cfg}
	if d.read() != nil {
		return cidr.Sets{}
	}
	return LiveSets(d.lives)
}

// Wait returns the live sets; nil for one that does not exist.
func (d *dump) Wait() ([2]*ipsetsync.Live, error) {
	err := <-d.done
	return d.lives, err
}

// LiveSets returns the prefixes of the live sets.
func LiveSets(lives [2]*ipsetsync.Live) cidr.Sets {
	var b cidr.Builder
	for _, live := range lives {
		if live != nil && live.NoMatch == 0 {
			for _, p := range live.Prefixes {
				b.Add(p)
			}
		}
	}
	return b.Sets()
}
