package agent

import (
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/state"
)

// TestStopped: while nothing changes the sets, a full check an hour writes down what each list has stopped,
// but not if the sets are not as the agent knows them.
func TestStopped(t *testing.T) {
	testns.Enter(t)
	dir := t.TempDir()
	d := &daemon{cfg: testvalue.Config(t, fmt.Sprintf("state_dir: %[1]s/s\nrun_dir: %[1]s/r\nfeeds: [{name: a, path: /x}]\n", dir)), log: slog.New(slog.DiscardHandler)}
	d.large = 10
	defer d.closeSets()
	kernel, err := d.sets()
	if err != nil {
		t.Fatal(err)
	}
	open := func(dir string) *fetch.Store {
		t.Helper()
		store, err := fetch.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	store, run := open(d.cfg.StateDir), open(d.cfg.RunDir)
	staged, err := store.Stage("a")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(staged, "5.5.5.5\n7.7.7.7\n")
	if err := staged.Commit(fetch.Meta{}); err != nil {
		t.Fatal(err)
	}
	hits.Begin(store, hits.Sync{Cfg: d.cfg, Now: time.Now()}).End() // the first sync with the list
	ipset := func(script string) {
		t.Helper()
		cmd := exec.Command("ipset", "-exist", "restore")
		cmd.Stdin = strings.NewReader(script + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	ipset("create voip_bl hash:net counters maxelem 1048576\nadd voip_bl 5.5.5.5 packets 3 bytes 9\nadd voip_bl 7.7.7.7")
	c, err := kernel.Content("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	d.record.Kernel = firewall.Kernel()
	d.record.Sets[cidr.IPv4] = state.SetPrint{
		Name: "voip_bl", Maxelem: c.Maxelem, Elements: c.Elements, Memory: c.Memory, Digest: state.DigestText(c.Digest), Own: int(c.Elements),
	}
	if err := d.record.Write(run, state.SetRecord{}); err != nil {
		t.Fatal(err)
	}
	hour := func() { d.settled = time.Now().Add(-hits.Every) }
	for _, step := range []struct {
		what    string
		do      func()
		through bool
		want    uint64
	}{
		{"an apply was just made", func() { d.settled = time.Now() }, true, 0},
		{"an hour later, at a quick check", hour, false, 0},
		{"at a full check", func() {}, true, 3},
		{"again", func() { ipset("add voip_bl 7.7.7.7 packets 4 bytes 9") }, true, 3},
		{"the sets differ", func() { hour(); ipset("add voip_bl 8.8.8.8") }, true, 3},
		{"another process has written them", func() {
			ipset("del voip_bl 8.8.8.8")
			other := d.record
			other.Sets[cidr.IPv4].Digest = "another"
			if err := other.Write(run, d.record); err != nil {
				t.Fatal(err)
			}
		}, true, 3},
	} {
		step.do()
		d.lookAtSets(t.Context(), step.through)
		book, err := hits.Read(store)
		if err != nil {
			t.Fatal(err)
		}
		if l := book.Feeds["a"]; l == nil || l.Packets != step.want {
			t.Errorf("%s: %+v, not %d packets", step.what, l, step.want)
		}
	}
}
