package agent

import (
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// TestGlanceAtLargeSets: the quick check of a large set finds what the header tells, without reading it
// each time: at once if entries of the sample are gone, otherwise when the header is old.
func TestGlanceAtLargeSets(t *testing.T) {
	testns.Enter(t)
	ipset := func(script string) {
		t.Helper()
		cmd := exec.Command("ipset", "restore")
		cmd.Stdin = strings.NewReader(script + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	const entries, ours = 500, " hash:net counters maxelem 1048576"
	d := &daemon{cfg: testvalue.Config(t, "run_dir: "+t.TempDir()+"\nfeeds: [{name: a, path: /x}]\n"), log: slog.New(slog.DiscardHandler)}
	d.large = entries - 1
	defer d.closeSets()
	kernel, err := d.sets()
	if err != nil {
		t.Fatal(err)
	}
	fill := func(name string, third int) string {
		text := "create " + name + ours
		for i := range entries {
			text += fmt.Sprintf("\nadd %s 192.%d.%d.%d", name, third, i>>8, i&255)
		}
		return text
	}
	wrote := func() { // by voipbl
		c, err := kernel.Content("voip_bl")
		if err != nil {
			t.Fatal(err)
		}
		d.record.Sets[cidr.IPv4] = state.SetPrint{
			Name: "voip_bl", Maxelem: c.Maxelem, Elements: c.Elements, Memory: c.Memory, Digest: state.DigestText(c.Digest), Own: int(c.Elements),
		}
	}
	sample := func() ipsetsync.Sample { return d.samples[cidr.IPv4].in }
	look := func(through bool) string {
		t.Helper()
		d.agenda.drop(applyTask)
		d.lookAtSets(t.Context(), through)
		if !d.agenda.planned(applyTask) {
			return ""
		}
		return d.applyWhy[0]
	}
	// others returns n entries that are not in the sample.
	others := func(n int) (script string) {
		in := make(map[string]bool)
		for _, p := range sample() {
			in[p.String()] = true
		}
		for i := 0; n > 0; i++ {
			if p := fmt.Sprintf("192.1.%d.%d", i>>8, i&255); !in[p] {
				script += "del voip_bl " + p + "\n"
				n--
			}
		}
		return script
	}
	fresh := func() { // voipbl has put it right, and the full check has noted a sample
		t.Helper()
		exec.Command("ipset", "destroy", "voip_bl").Run() // there may be none
		ipset(fill("voip_bl", 1))
		wrote()
		if found := look(true); found != "" || len(sample()) == 0 {
			t.Fatalf("as voipbl wrote it: %q, sample %v", found, sample())
		}
	}
	old := func() { d.headers = ipsetsync.Headers{} } // as after headerAge

	fresh()
	ipset(others(9))
	if found := look(false); found != "" {
		t.Errorf("the header was read although the sample is there: %q", found)
	}
	old()
	if found := look(false); found != "the set voip_bl had 491 entries, not 500" {
		t.Errorf("some entries deleted, when the header is old: %q", found)
	}

	for _, c := range []struct{ what, do, found string }{
		{"flushed", "flush voip_bl", "the set voip_bl had 0 entries, not 500"},
		{"destroyed", "destroy voip_bl", "the set voip_bl was gone"},
		{"swapped", fill("other", 2) + "\nswap other voip_bl\ndestroy other", "the set voip_bl had other entries"},
		{"of another type", "destroy voip_bl\ncreate voip_bl hash:ip", "the set voip_bl was another one: it was a hash:ip"},
	} {
		fresh()
		ipset(c.do)
		if found := look(false); !strings.HasPrefix(found, c.found) {
			t.Errorf("%s: %q", c.what, found)
		}
	}

	// An entry of the sample is exchanged: the header agrees, and the full check is made at once.
	fresh()
	gone := sample()[0].String()
	ipset("del voip_bl " + gone + "\nadd voip_bl 192.9.9.9")
	d.record.Sets[cidr.IPv4].Memory = memory(t, kernel) // by chance it takes as much
	if found := look(false); found != "the set voip_bl had other entries" {
		t.Errorf("an entry exchanged: %q", found)
	}
	// One was missing, and has come back before the full check. The sample is not believed any more.
	fresh()
	sample()[0] = cidr.MustParsePrefix("192.9.9.9")
	if found := look(false); found != "" || len(sample()) > 0 {
		t.Errorf("an entry that has come back: %q, sample %v", found, sample())
	}
	if found := look(true); found != "" || len(sample()) == 0 {
		t.Errorf("the next full check: %q, sample %v", found, sample())
	}

	// voipbl writes the set again. The sample of before says nothing, and a full check is near.
	d.agenda.set(studyTask, time.Now().Add(time.Hour))
	ipset(fill("other", 3) + "\nswap other voip_bl\ndestroy other")
	wrote()
	if found := look(false); found != "" || len(sample()) > 0 || !d.agenda.due(studyTask, time.Now().Add(tick)) {
		t.Errorf("after a sync: %q, sample %v, full check %v", found, sample(), d.agenda[studyTask])
	}
	// The same entries in a new set: the header of before does not count.
	look(true)
	ipset(fill("other", 3) + "\nswap other voip_bl\ndestroy other")
	wrote()
	if found := look(false); found != "" || len(sample()) == 0 {
		t.Errorf("after a sync of the same entries: %q, sample %v", found, sample())
	}

	// A set that is not large: its header is read each time.
	d.large = entries
	ipset("del voip_bl 192.3.0.1")
	if found := look(false); found != "the set voip_bl had 499 entries, not 500" {
		t.Errorf("a small set: %q", found)
	}
}

func memory(t *testing.T, kernel *ipsetsync.Kernel) uint32 {
	t.Helper()
	h, err := kernel.HeaderNow("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	return h.Memory
}
