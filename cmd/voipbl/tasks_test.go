package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestFewTasks lets the agent have eight more tasks than it has at rest, as where the unit's
// TasksMax is nearly used: it answers, repairs, and takes a new list. Two of them are for iptables'
// tools, which run for both families at once, the rest for threads that Go adds while a tool begins
// on a busy machine: these stay, so a tighter limit would make every later tool fail.
func TestFewTasks(t *testing.T) {
	const spare = 8
	h := newHost(t, "nft")
	list := filepath.Join(h.dir, "list")
	writeFile(t, list, "5.5.5.5\n")
	config := h.configure("", h.nearFeed())
	r := h.startAgent(config)
	r.told("READY=1", time.Minute)
	repaired := func(address string) {
		t.Helper()
		h.must("iptables-nft", "-F", "INPUT")
		writeFile(t, list, "5.5.5.5\n"+address+"\n")
		h.eventually("the rules are back and "+address+" is in force", time.Minute, func() bool {
			_, code := h.run("ipset", "-q", "test", "voip_bl", address)
			return code == 0 && strings.Contains(h.rules(), "--match-set voip_bl src")
		})
	}
	repaired("5.5.5.6") // so that the threads which this takes are there

	group := tasksGroup(t)
	writeFile(t, filepath.Join(group, "cgroup.procs"), strconv.Itoa(r.cmd.Process.Pid))
	used := numberIn(t, filepath.Join(group, "pids.current"))
	writeFile(t, filepath.Join(group, "pids.max"), strconv.Itoa(used+spare))
	// The limit is one: a shell in the group cannot start that many.
	limited := fmt.Sprintf("echo $$ >%s/cgroup.procs; for i in $(seq %d); do sleep 1 & done; wait", group, 2*spare)
	if out, code := h.run("sh", "-c", limited); code == 0 {
		t.Fatalf("%d tasks, and no limit: %s", used+2*spare, out)
	}
	h.eventually("the sleeps of that shell have ended", time.Minute, func() bool {
		tasks, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		return err == nil && strings.TrimSpace(string(tasks)) == strconv.Itoa(r.cmd.Process.Pid)
	})

	repaired("5.5.5.7")
	if out, _ := r.voipbl("status"); !strings.Contains(out, "running since") {
		t.Errorf("status says\n%s", out)
	}
	if code := r.end(syscall.SIGTERM); code != 0 {
		t.Errorf("the agent ends with %d", code)
	}
}

// tasksGroup is a new control group that can limit tasks, of the old hierarchy or the new.
func tasksGroup(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("voipbl-tasks-%d", os.Getpid())
	var why []string
	for _, parent := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		folder := filepath.Join(parent, name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			why = append(why, err.Error())
			continue
		}
		t.Cleanup(func() {
			// Until the kernel has reaped the last task.
			testpoll.Until(10*time.Second, func() bool { return syscall.Rmdir(folder) != syscall.EBUSY })
		})
		if _, err := os.Stat(filepath.Join(folder, "pids.max")); err == nil {
			return folder
		} else {
			why = append(why, err.Error())
		}
	}
	t.Fatal("no control group can limit tasks here: " + strings.Join(why, "; "))
	return ""
}

func numberIn(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
