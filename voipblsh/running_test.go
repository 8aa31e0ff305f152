package voipblsh

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestScriptRuns starts the published script in many ways, and programs that only mention it. The
// script creates a file when it runs, and then waits on a pipe.
func TestScriptRuns(t *testing.T) {
	if os.Getenv("VOIPBL_TEST_ASK") != "" {
		fmt.Println("runs", Running())
		return
	}
	testns.Enter(t)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	waits := "touch at-work; read x <pipe\n"
	write("voipbl.sh", "#!/bin/bash\n"+waits)
	write("update-list", "#!/bin/sh -x\n# wget https://voipbl.org/update/; ipset create voipbl\n"+waits)
	write("mine.sh", "#!/bin/sh\n"+waits)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	// This one installs voipbl, and asks.
	write("provision", "#!/bin/sh\n# voipbl.org/update ipset \nVOIPBL_TEST_ASK=1 \"$1\" -test.run='^TestScriptRuns$'\n:\n")
	if out, err := exec.Command(filepath.Join(dir, "provision"), os.Args[0]).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "runs []\n") {
		t.Errorf("asked by a script: %v, %s", err, out)
	}
	for command, runs := range map[string]bool{
		`exec ./voipbl.sh`:                                     true,
		`exec bash -o pipefail ./voipbl.sh`:                    true,
		`exec bash -eo pipefail +x -- ./voipbl.sh`:             true,
		`exec bash --rcfile /dev/null voipbl.sh now`:           true,
		`exec sh -x voipbl.sh`:                                 true,
		`exec bash <voipbl.sh`:                                 true,
		`exec -a another bash ./voipbl.sh`:                     true,
		`exec bash -c '. ./voipbl.sh'`:                         true,
		`exec bash -ec 'cd . && source voipbl.sh'`:             true,
		`exec sh -c '. ./voipbl.sh; true'`:                     true,
		`sh -c "cd $PWD && ./voipbl.sh"`:                       true,
		`exec env -i PATH=/usr/bin:/bin ./voipbl.sh`:           true,
		`exec nice -n 1 ./voipbl.sh`:                           true,
		`timeout 60 bash ./voipbl.sh`:                          true,
		`exec ./update-list`:                                   true, // found by its content
		`exec ./mine.sh voipbl.sh`:                             false,
		`exec bash -c 'touch at-work; tail -f voipbl.sh'`:      false,
		`exec bash -c 'touch at-work; read x <pipe' voipbl.sh`: false,
		`touch at-work; exec tail -f voipbl.sh`:                false,
	} {
		t.Run(command, func(t *testing.T) {
			os.Remove(filepath.Join(dir, "at-work"))
			cmd := exec.Command("bash", "-c", command)
			cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			over := false
			testpoll.Until(time.Minute, func() bool {
				select {
				case <-ended:
					over = true
				default:
				}
				_, err := os.Stat(filepath.Join(dir, "at-work"))
				return over || err == nil || !runs && len(Running()) > 0
			})
			pids := Running()
			if (len(pids) > 0) != runs {
				t.Errorf("processes %v, want some: %v", pids, runs)
			}
			for _, pid := range pids { // what the remedy says
				syscall.Kill(pid, syscall.SIGTERM)
			}
			if len(pids) == 0 {
				syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
			if !over {
				<-ended
			}
			if !testpoll.Until(time.Minute, func() bool { return len(Running()) == 0 }) {
				t.Errorf("it still runs: %v", Running())
			}
		})
	}
}
