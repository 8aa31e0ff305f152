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
	reason   string // the Reason of a Problem
	loss     string // what is lost if nothing can be written there
}

func stateFolder(cfg config.Config) ownFolder {
	return ownFolder{"state_dir", cfg.StateDir, "state-folder", "what changes is lost at a boot"}
}

func RunFolder(cfg config.Config) ownFolder {
	return ownFolder{"run_dir", cfg.RunDir, "run-folder", "what voipbl puts in force is not remembered"}
}

// Trouble returns why nothing, or not everything, can be written into the folder, as far
// as that can be seen without writing. It returns nil if there is no trouble, or if this
// process may not write there anyway.
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
		return nil // it may not exist yet
	}
	name, size := fetch.Largest(f.dir)
	if full := fullWords(fs, name, size); full != "" {
		return &problem.Problem{Reason: f.reason, Error: fmt.Sprintf("%s is full: %s: %s; %s", f.key, f.dir, full, f.loss), Remedy: f.roomRemedy()}
	}
	return nil
}

// denied returns why nobody may write there, or nil.
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

// fullWords returns why a file system has too little room, or "". Each file of a folder is
// replaced by a new one, and both exist for a moment, so there must be room for a second
// copy of the largest, which has size bytes. Root may also use the reserved blocks. Some
// file systems do not count blocks or files.
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

// AgentDenied returns why the agent may not write into its state folder. It is called in
// the agent, which systemd may allow less than other processes.
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

// StateFolderOf returns the trouble with the state folder: what this process sees, else
// what only the agent sees, else the last failed write. agent may be nil.
func StateFolderOf(cfg config.Config, agent *AgentStatus) *problem.Problem {
	if p := stateFolder(cfg).Trouble(); p != nil {
		return p
	}
	if agent != nil && agent.StateFolder != nil {
		return agent.StateFolder
	}
	return unwrittenOf(cfg)
}
