package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/internal/web"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// aMoment is a time for tests.
var aMoment = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// TestPace: the first repair is made at once, and then the pauses grow.
func TestPace(t *testing.T) {
	var p pace
	now := aMoment
	if p.ready().After(now) {
		t.Fatalf("the first repair has to wait until %v", p.ready())
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		p.note(now)
		if got := p.ready().Sub(now); got != want*time.Second {
			t.Errorf("after repair %d: %v, want %v", i+1, got, want*time.Second)
		}
		now = p.ready()
	}
	// After ten minutes without a repair, and not before, the next is made at once.
	now = p.last.Add(calmTime)
	p.note(now)
	if got := p.ready().Sub(now); got != maxPace {
		t.Errorf("after just ten minutes: %v", got)
	}
	now = now.Add(calmTime + 1)
	if p.ready().After(now) {
		t.Error("the first repair after a calm has to wait")
	}
	p.note(now)
	if got := p.ready().Sub(now); got != minPace {
		t.Errorf("after a calm: %v", got)
	}
}

// TestPaceBounds: no matter when repairs are needed, none is too late, and there are never many.
func TestPaceBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pace
		now := aMoment
		var made []time.Time
		for _, gap := range rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Minute)), 1, 50).Draw(t, "needed after") {
			if rapid.Bool().Draw(t, "at once") {
				gap %= int64(3 * time.Second)
			}
			now = now.Add(time.Duration(gap))
			at := web.Later(now, p.ready())
			if at.Sub(now) > maxPace {
				t.Fatalf("needed at %v and made at %v", now, at)
			}
			now = at
			p.note(now)
			made = append(made, now)
			if n := len(made); n > 1 && now.Sub(made[n-2]) < minPace {
				t.Fatalf("two repairs within %v", now.Sub(made[n-2]))
			}
			if n := len(made); n > 5 && now.Sub(made[n-6]) < 20*time.Second {
				t.Fatalf("six repairs within %v", now.Sub(made[n-6]))
			}
		}
	})
}

func TestLookSoon(t *testing.T) {
	d := &daemon{}
	d.looked(aMoment)
	if !d.agenda.due(rulesTask, aMoment.Add(tick)) || d.agenda.due(rulesTask, aMoment.Add(tick-1)) {
		t.Errorf("rules are looked at %v", d.agenda[rulesTask])
	}
	d.lookSoon(aMoment)
	first := d.agenda[rulesTask]
	if got := first.Sub(aMoment); got != minNewsPause {
		t.Errorf("after news they are looked at after %v", got)
	}
	d.lookSoon(aMoment.Add(minNewsPause / 2)) // more news of the same does not put it off
	if !d.agenda[rulesTask].Equal(first) {
		t.Errorf("with more news they are looked at %v", d.agenda[rulesTask])
	}
}

func TestChangeFound(t *testing.T) {
	const mark = `-m comment --comment "voipbl: drop what is listed"`
	rule := "-m set --match-set voip_bl src " + mark + " -j DROP"
	for _, test := range []struct {
		change firewall.Change
		want   string
	}{
		{firewall.Change{Op: firewall.OpAdd, Rule: rule}, "IPv4 filter INPUT: a rule was missing: drop what is listed"},
		{firewall.Change{Op: firewall.OpRemove, Rule: rule}, "IPv4 filter INPUT: a rule should not be there: drop what is listed"},
		{firewall.Change{Op: firewall.OpRemove, Rule: "-j ACCEPT"}, "IPv4 filter INPUT: a rule should not be there: -j ACCEPT"},
		{firewall.Change{Op: firewall.OpCreate}, "IPv4 filter INPUT: the chain was gone"},
		{firewall.Change{Op: firewall.OpDelete}, "IPv4 filter INPUT: the chain should not be there"},
		{firewall.Change{Op: firewall.OpMove, Rule: rule}, "IPv4 filter INPUT: a rule stood in the wrong place: drop what is listed"},
		{firewall.Change{Op: firewall.OpMove, Rule: rule, Others: []string{"-j ACCEPT", "-p udp -j ACCEPT"}},
			"IPv4 filter INPUT: other rules stood before the rule \"drop what is listed\": -j ACCEPT, -p udp -j ACCEPT"},
	} {
		test.change.Family, test.change.Table, test.change.Chain = "IPv4", "filter", "INPUT"
		if got := changeFound(test.change); got != test.want {
			t.Errorf("%s: got %q, want %q", test.change.Op, got, test.want)
		}
	}
}

func TestGlance(t *testing.T) {
	print := state.SetPrint{Name: "voip_bl", Maxelem: 1 << 20, Elements: 7, Own: 7, Memory: 4096, Digest: state.DigestText(0x1234)}
	for _, test := range []struct {
		name   string
		change func(*ipsetsync.Header)
		err    error
		want   string
	}{
		{"as it was", func(*ipsetsync.Header) {}, nil, ""},
		{"grown and used", func(h *ipsetsync.Header) { h.Hashsize, h.References = 1<<17, 3 }, nil, ""},
		{"gone", func(h *ipsetsync.Header) { *h = ipsetsync.Header{} }, ipsetsync.ErrNotFound, "the set voip_bl was gone"},
		{"other type", func(h *ipsetsync.Header) { h.Type = "hash:ip" }, nil, "the set voip_bl was another one: it was a hash:ip"},
		{"other maxelem", func(h *ipsetsync.Header) { h.Maxelem = 65536 }, nil, "the set voip_bl was another one: its maxelem was 65536, not 1048576"},
		{"no counters", func(h *ipsetsync.Header) { h.Counters = false }, nil, "the set voip_bl was another one: it had no counters"},
		{"a time-out", func(h *ipsetsync.Header) { h.Timeout = true }, nil, "the set voip_bl was another one: its entries could expire"},
		{"flushed", func(h *ipsetsync.Header) { h.Elements = 0 }, nil, "the set voip_bl had 0 entries, not 7"},
		{"one more", func(h *ipsetsync.Header) { h.Elements = 8 }, nil, "the set voip_bl had 8 entries, not 7"},
		{"as many in other memory", func(h *ipsetsync.Header) { h.Memory = 4160 }, nil, "the set voip_bl had other entries, or was another one"},
	} {
		h := ipsetsync.Header{Name: "voip_bl", Type: ipsetsync.TypeHashNet, Maxelem: 1 << 20, Elements: 7, Memory: 4096, Counters: true, Hashsize: 1024, References: 1}
		test.change(&h)
		if got := print.Glance(h, test.err); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	print.Own = 5
	h := ipsetsync.Header{Name: "voip_bl", Type: ipsetsync.TypeHashNet, Maxelem: 1 << 20, Elements: 8, Memory: 4096, Counters: true}
	if got, want := print.Glance(h, nil), "the set voip_bl had 8 entries in the kernel, not 7"; got != want {
		t.Errorf("written in pieces: got %q, want %q", got, want)
	}
}

func TestStudy(t *testing.T) {
	set := cidr.SetOf(cidr.MustParsePrefix("192.0.2.1"), cidr.MustParsePrefix("198.51.100.0/24"))[cidr.IPv4]
	print := state.SetPrint{Name: "voip_bl", Maxelem: 1 << 20, Digest: state.DigestText(ipsetsync.Digest(cidr.ShapeOf(set, 0)))}
	ours := ipsetsync.Header{Type: ipsetsync.TypeHashNet, Maxelem: 1 << 20, Counters: true}
	plain := ours
	plain.Counters = false
	const other = "the set voip_bl had other entries"
	for _, test := range []struct {
		name    string
		content ipsetsync.Content
		want    string
	}{
		{"as it was", ipsetsync.Content{Digest: ipsetsync.Digest(cidr.ShapeOf(set, 0)), Packets: 9}, ""},
		{"an entry exchanged", ipsetsync.Content{Digest: ipsetsync.Digest(cidr.ShapeOf(set, 0)) + 1}, other},
		{"flushed", ipsetsync.Content{}, other},
		{"an exception", ipsetsync.Content{Digest: ipsetsync.Digest(cidr.ShapeOf(set, 0)), NoMatch: 1}, other},
		{"the same entries in another set", ipsetsync.Content{Header: plain, Digest: ipsetsync.Digest(cidr.ShapeOf(set, 0))}, "the set voip_bl was another one: it had no counters"},
	} {
		if test.content.Type == "" {
			test.content.Header = ours
		}
		if got := print.Study(&test.content); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	empty := state.SetPrint{Name: "voip_bl", Maxelem: 1 << 20, Digest: state.DigestText(0)}
	if got := empty.Study(&ipsetsync.Content{Header: ours}); got != "" {
		t.Errorf("empty: %q", got)
	}
	if got := state.DigestText(0x1f); got != "000000000000001f" {
		t.Errorf("the digest is written as %q", got)
	}
}

func TestKnown(t *testing.T) {
	cfg := testvalue.Config(t, "set: blocked\nfeeds: [{name: a, path: /x}]\n")
	for _, c := range []struct {
		names [2]string
		want  bool
	}{
		{[2]string{"blocked", "blocked6"}, true},
		{[2]string{}, false},
		{[2]string{"blocked", ""}, true}, // the other family's was not filled yet
		{[2]string{"voip_bl", "voip_bl6"}, false},
	} {
		r := state.SetRecord{Sets: [2]state.SetPrint{{Name: c.names[0]}, {Name: c.names[1]}}}
		if got := r.Known(cfg); got != c.want {
			t.Errorf("%q: %v", c.names, got)
		}
	}
}

func TestRate(t *testing.T) {
	d := &daemon{}
	drops := func() *state.DropRate { return d.state.get().Drops }
	d.rate(100, aMoment)
	if drops() != nil {
		t.Errorf("after one look: %+v", drops())
	}
	d.rate(400, aMoment.Add(time.Minute))
	if r := drops(); r == nil || r.PerSecond != 5 || r.Seconds != 60 {
		t.Errorf("300 in a minute: %+v", r)
	}
	d.rate(7, aMoment.Add(2*time.Minute)) // the set was rewritten, and counts from zero
	if r := drops(); r == nil || r.PerSecond != 5 {
		t.Errorf("less than before: %+v", r)
	}
	d.rate(67, aMoment.Add(3*time.Minute))
	if r := drops(); r == nil || r.PerSecond != 1 {
		t.Errorf("60 in a minute: %+v", r)
	}
}

// journal is a daemon that logs to a buffer.
func journal() (d *daemon, logged func() []string) {
	var text bytes.Buffer
	onlyMessage := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.MessageKey {
			return a
		}
		return slog.Attr{}
	}
	d = &daemon{log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: onlyMessage}))}
	return d, func() []string {
		var all []string
		for line := range strings.Lines(text.String()) {
			all = append(all, strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "msg="), `"`))
		}
		text.Reset()
		return all
	}
}

func TestWarn(t *testing.T) {
	d, logged := journal()
	for i, step := range []struct {
		subject  string
		warnings []string
		want     []string
	}{
		{"apply", nil, nil},
		{"apply", []string{"one", "two"}, []string{"one", "two"}},
		{"apply", []string{"one", "two"}, nil},
		{"apply", []string{"two", "three"}, []string{"three"}}, // one is gone
		{"apply", []string{"one", "two", "three"}, []string{"one"}},
		{"names", []string{"one"}, []string{"one"}}, // of another subject
		{"names", nil, nil},
		{"apply", []string{"one", "two", "three"}, nil}, // which has not changed this one
		{"apply", nil, nil},
		{"apply", []string{"one"}, []string{"one"}},
	} {
		d.warn(step.subject, step.warnings)
		if got := logged(); !slices.Equal(got, step.want) {
			t.Errorf("step %d: logged %q, want %q", i, got, step.want)
		}
	}
}

// TestLogHeld: lists that wait and addresses that are spared are logged once, and once that this has ended; of
// many addresses a few.
func TestLogHeld(t *testing.T) {
	talks := func(n int) (all []impact.CutOff) {
		for i := range n {
			all = append(all, impact.CutOff{Address: netip.AddrFrom4([4]byte{45, 0, 0, byte(i)}), Flows: []flows.UsedFlow{{Use: flows.Call, Proto: "udp", Port: 12000}}})
		}
		return all
	}
	d, logged := journal()
	for i, step := range []struct {
		held, spared int
		want         []string // beginnings of lines
	}{
		{0, 0, nil},
		{2, 0, []string{"held: the lists stay as they were"}},
		{2, 0, nil},
		{0, 1, []string{"no lists wait any more", "a list has an address that is spared until its call ends: 45.0.0.0 "}},
		{0, 1, nil},
		{0, 64, []string{"a list has an address that is spared until its call ends: 45.0.0.1 ", "", "", "", "lists have 59 more addresses that are spared"}},
		{0, 64, nil},
		{0, 0, []string{"no address on a list is spared any more"}},
		{0, 0, nil},
	} {
		r := &blocklist.SyncReport{}
		if step.held > 0 {
			r.Held = &impact.Held{Addresses: talks(step.held)}
		}
		for _, c := range talks(step.spared) {
			r.Spared = append(r.Spared, impact.Spared{CutOff: c})
		}
		d.logHeld(r)
		if got := logged(); !slices.EqualFunc(got, step.want, strings.HasPrefix) {
			t.Errorf("step %d: logged %q, want %q", i, got, step.want)
		}
	}
}

// TestWarnOfManySubjects: the warnings of one subject are never taken for those of another.
func TestWarnOfManySubjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, logged := journal()
		subjects := []string{"apply", "ensure", "names", "rules"}
		said := make(map[string][]string)
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			subject := rapid.SampledFrom(subjects).Draw(t, "subject")
			warnings := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "apply: x", ": x"}), 0, 4, rapid.ID).Draw(t, "warnings")
			var want []string
			for _, w := range warnings {
				if !slices.Contains(said[subject], w) {
					want = append(want, w)
				}
			}
			said[subject] = warnings
			d.warn(subject, warnings)
			if got := logged(); !slices.Equal(got, want) {
				t.Fatalf("step %d, %s %q: logged %q, want %q", i, subject, warnings, got, want)
			}
		}
	})
}

// TestWarnTwiceAtOnce: two parts of an apply may give the same warning.
func TestWarnTwiceAtOnce(t *testing.T) {
	d, logged := journal()
	d.warn("apply", []string{"one", "one"})
	if got := logged(); len(got) != 1 {
		t.Errorf("logged %q", got)
	}
}

// TestWarnOfNothing: an empty warning does not crash the agent.
func TestWarnOfNothing(t *testing.T) {
	defer func() {
		if r := recover(); r != nil {
			t.Error("it panics: ", r)
		}
	}()
	d, _ := journal()
	for _, subject := range []string{"apply", "ensure", "names", "rules"} {
		d.warn(subject, []string{""})
	}
}

// TestWarnKeepsLittle: warnings that have ended are forgotten.
func TestWarnKeepsLittle(t *testing.T) {
	d, _ := journal()
	for i := range 1000 {
		d.warn("apply", []string{fmt.Sprintf("it took %d ms", i)})
	}
	if len(d.said) != 1 {
		t.Errorf("%d warnings are kept", len(d.said))
	}
}
