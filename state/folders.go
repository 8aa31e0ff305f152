package state

import (
	"errors"
	"fmt"
	"os"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// ownFolder is one of the two folders that voipbl writes into.
type ownFolder struct {
	key, dir string
	reason   string // of a Problem
	loss     string // what follows if nothing can be written there
}

func stateFolder(cfg config.Config) ownFolder {
	return ownFolder{"state_dir", cfg.StateDir, "state-folder", "what changes is lost at a boot"}
}

func RunFolder(cfg config.Config) ownFolder {
	return ownFolder{"run_dir", cfg.RunDir, "run-folder", "what voipbl puts in force is not remembered"}
}

// Trouble is why nothing, or not all, can be written into the folder, as far as that shows
// without writing; nil if nothing shows, or if only root may write there anyway.
func (f ownFolder) Trouble() *problem.Problem {
	err := f.denied()
	if err != nil {
		return &problem.Problem{Reason: f.reason, Error: fmt.Sprintf("nothing can be written into %s: %s: %v; %s", f.key, f.dir, err, f.loss), Remedy: f.deniedRemedy(err)}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	var fs unix.Statfs_t
	if unix.Statfs(f.dir, &fs) != nil {
		return nil // it is not there yet, say
	}
	name, size := fetch.Largest(f.dir)
	if full := fullWords(fs, name, size); full != "" {
		return &problem.Problem{Reason: f.reason, Error: fmt.Sprintf("%s is full: %s: %s; %s", f.key, f.dir, full, f.loss), Remedy: f.roomRemedy()}
	}
	return nil
}

// denied is why nobody may write there, nil if that is not so.
func (f ownFolder) denied() error {
	err := unix.Access(f.dir, unix.W_OK)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || os.Geteuid() != 0 {
		return nil
	}
	return err
}

func (f ownFolder) deniedRemedy(err error) string {
	if errors.Is(err, unix.EROFS) {
		return fmt.Sprintf("mount -o remount,rw \"$(findmnt -no TARGET --target %s)\"; \"dmesg\" says whether the disk has failed; then run \"voipbl sync\"", f.dir)
	}
	return fmt.Sprintf("chattr -i %[1]s; \"ls -ld %[1]s\" shows whose it is; then run \"voipbl sync\"", f.dir)
}

func (f ownFolder) roomRemedy() string {
	return fmt.Sprintf("make room there (\"df -h %[1]s\" and \"df -i %[1]s\" say where), then run \"voipbl sync\"", f.dir)
}

// fullWords says why a file system has no room for what is to be written: each file of a
// folder is replaced by a new one, which stands beside it for a moment, and the largest of
// them has that size in bytes. Root may use also what is reserved. A file system that does
// not count its blocks or files tells nothing about them.
func fullWords(fs unix.Statfs_t, largest string, size int64) string {
	block := max(fs.Frsize, 1)
	free := int64(fs.Bfree) * block
	need := (size + block) / block * block
	switch {
	case fs.Files > 0 && fs.Ffree == 0:
		return "it has no free inode"
	case fs.Blocks == 0 || free >= need:
		return ""
	case size < block:
		return fmt.Sprintf("%s are free", humanize.IBytes(uint64(free)))
	}
	return fmt.Sprintf("%s are free, and a new copy of %s needs %s", humanize.IBytes(uint64(free)), largest, humanize.IBytes(uint64(need)))
}

// AgentDenied is why the agent, to which systemd may show less of this host, may not write
// into its state folder.
func AgentDenied(cfg config.Config) *problem.Problem {
	f := stateFolder(cfg)
	err := f.denied()
	if err == nil {
		return nil
	}
	return &problem.Problem{Reason: f.reason,
		Error:  fmt.Sprintf("the agent cannot write into %s: %s: %v; %s", f.key, f.dir, err, f.loss),
		Remedy: f.deniedRemedy(err) + "; if only the agent cannot: \"systemctl edit voipbl\", [Service] ReadWritePaths=" + f.dir + ", then systemctl restart voipbl"}
}

// StateFolderOf is the trouble that the state folder has for this process, and so for the
// agent, too, that of the agent alone, or what could not be written into it the last time;
// agent may be nil.
func StateFolderOf(cfg config.Config, agent *AgentStatus) *problem.Problem {
	if p := stateFolder(cfg).Trouble(); p != nil {
		return p
	}
	if agent != nil && agent.StateFolder != nil {
		return agent.StateFolder
	}
	return unwrittenOf(cfg)
}
