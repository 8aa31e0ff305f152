package agent

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
)

// stateFolderTrouble is why nothing can be written into the state folder, as far as that
// shows without writing; nil if nothing shows, or if only root may write there anyway. byAgent
// is that the agent asks, to which systemd may show less of this host.
func stateFolderTrouble(cfg config.Config, byAgent bool) *Problem {
	err := unix.Access(cfg.StateDir, unix.W_OK)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), os.Geteuid() != 0:
		return nil
	case byAgent:
		return &Problem{Reason: "state-folder",
			Error:  fmt.Sprintf("the agent cannot write into state_dir: %s: %v; what changes is lost at a boot", cfg.StateDir, err),
			Remedy: stateFolderRemedy(cfg, err) + "; if only the agent cannot: \"systemctl edit voipbl\", [Service] ReadWritePaths=" + cfg.StateDir + ", then systemctl restart voipbl"}
	}
	return &Problem{Reason: "state-folder",
		Error:  fmt.Sprintf("nothing can be written into state_dir: %s: %v; what changes is lost at a boot", cfg.StateDir, err),
		Remedy: stateFolderRemedy(cfg, err)}
}

func stateFolderRemedy(cfg config.Config, err error) string {
	if errors.Is(err, unix.EROFS) {
		return fmt.Sprintf("mount -o remount,rw \"$(findmnt -no TARGET --target %s)\"; \"dmesg\" says whether the disk has failed", cfg.StateDir)
	}
	return fmt.Sprintf("chattr -i %[1]s; \"ls -ld %[1]s\" shows whose it is", cfg.StateDir)
}

// noteStateFolder says of the state folder what status does.
func (r *Report) noteStateFolder(ctx context.Context, cfg config.Config) {
	agent, _ := askStatus(ctx, cfg) // that it does not answer is in the report already
	if p := stateFolderOf(cfg, agent); p != nil {
		r.ListProblems = append(r.ListProblems, *p)
	}
}

// stateFolderOf is the trouble of this process, which the agent has, too, or that of the
// agent alone; agent may be nil.
func stateFolderOf(cfg config.Config, agent *AgentStatus) *Problem {
	if p := stateFolderTrouble(cfg, false); p != nil || agent == nil {
		return p
	}
	return agent.StateFolder
}
