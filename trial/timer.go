package trial

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// What takes unconfirmed rules back has to outlive the command that applied them and its SSH
// session. Under systemd it is a timer, since a process would end with the session's control
// group. Elsewhere it is a process in a session of its own.

// systemdRunning is the folder that sd_booted(3) looks for.
const systemdRunning = "/run/systemd/system"

// disarmTimeout bounds the time to stop the timer. If it fires after all, it finds nothing to do.
const disarmTimeout = 10 * time.Second

// rollbackUnit returns the name of the timer and of the service that it starts.
func rollbackUnit(token string) string { return "voipbl-rollback-" + token }

// arm has program run with args after a time, whatever becomes of this process. It returns a
// warning if that is less reliable than it could be.
func arm(ctx context.Context, token string, after time.Duration, program string, args ...string) (warning string, err error) {
	if _, statErr := os.Stat(systemdRunning); statErr == nil {
		if err = armTimer(ctx, token, after, program, args...); err == nil {
			return "", nil
		}
		warning = fmt.Sprintf("no systemd timer could be set (%v): the rules are taken back by a process, which does not survive if the whole session is killed", err)
	}
	return warning, armProcess(after, program, args...)
}

func armTimer(ctx context.Context, token string, after time.Duration, program string, args ...string) error {
	run := append([]string{
		"--quiet", "--collect", "--unit=" + rollbackUnit(token), "--description=take back firewall rules that nobody confirms",
		fmt.Sprintf("--on-active=%dms", after.Milliseconds()), "--timer-property=AccuracySec=100ms",
		"--", program,
	}, args...)
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "systemd-run", run...)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("systemd-run: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

// armProcess starts the program at once; the program itself waits.
func armProcess(after time.Duration, program string, args ...string) error {
	cmd := exec.Command(program, append(args, "--after", after.String())...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start what takes the rules back: %w", err)
	}
	return cmd.Process.Release()
}

// Disarm stops the timer. A waiting process notices by itself that nothing is pending any more.
func Disarm(token string) {
	if _, err := os.Stat(systemdRunning); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), disarmTimeout)
		defer cancel()
		exec.CommandContext(ctx, "systemctl", "stop", rollbackUnit(token)+".timer").Run()
	}
}
