package blocklist

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
)

// TestBeat: what is wrong with the host by status, its heartbeat says in words; and a host for which status
// says nothing has no problem.
func TestBeat(t *testing.T) {
	trouble := &problem.Problem{Reason: "x", Error: "203.0.113.9 is in the way", Remedy: "mend it"}
	noBans := func(s *Status) { s.BanSets[0].Entries, s.BanSets[1].Entries = 0, 0 }
	noEntries := func(s *Status) { s.Sets[0].Entries, s.Sets[1].Entries = 0, 0 }
	for _, c := range []struct {
		name   string
		change func(*Status)
		want   string
	}{
		{"all is well", func(*Status) {}, ""},
		{"no entries of IPv6", func(s *Status) { s.Sets[1].Entries, s.Sets[1].Drops = 0, false }, ""},
		{"no set", func(s *Status) { s.Sets[0].Exists = false }, beat.NoSet},
		{"no set, and no entries of IPv6", func(s *Status) { s.Sets[0].Exists, s.Sets[1].Entries, s.Sets[1].Drops = false, 0, false }, beat.NoSet},
		{"a set of others that no rule drops", func(s *Status) { s.Sets[0].Ours, s.Sets[0].Drops = false, false }, beat.ForeignSet},
		{"no rule, and no bans", func(s *Status) { s.Sets[0].Drops = false; noBans(s) }, beat.NoDrop},
		{"no bans, and no rule for them", func(s *Status) { s.BanSets[0].Entries, s.BanSets[0].Drops = 0, false }, ""},
		{"no rule for bans of IPv6", func(s *Status) { s.BanSets[1].Drops = false }, beat.Bans},
		{"no rule for bans of IPv6, which is left alone", func(s *Status) { s.BanSets[1].Drops, s.Rules.IPv6Off = false, true }, ""},
		{"no set for bans, of which there are none", func(s *Status) { s.BanSets[0].Exists, s.BanSets[0].Entries = false, 0 }, ""},
		{"a fleet without trouble", func(s *Status) { s.Fleet = &FleetStatus{} }, ""},
		{"a set of others", func(s *Status) { s.Sets[0].Ours = false }, beat.ForeignSet},
		{"no rule", func(s *Status) { s.Sets[0].Drops = false }, beat.NoDrop},
		{"rules that cannot be read", func(s *Status) { s.Rules.Problem, s.Rules.Unread, s.Sets[0].Drops = trouble, true, false }, beat.RulesUnread},
		{"nobody is blocked", func(s *Status) { noEntries(s); noBans(s) }, beat.Empty},
		{"bans alone", noEntries, beat.OnlyBans},
		{"an emptied set", func(s *Status) { s.Sets[0].Entries, s.Sets[0].emptied = 0, true }, beat.Emptied},
		{"no rule for IPv6", func(s *Status) { s.Sets[1].Drops = false }, beat.Family},
		{"a changed set", func(s *Status) { s.Sets[0].Changed = true }, beat.SetsOther},
		{"no rules as configured", func(s *Status) { s.Rules.Problem = trouble }, beat.Rules},
		{"drift", func(s *Status) { s.Rules.Drift = make([]firewall.Change, 1) }, beat.Rules},
		{"on trial", func(s *Status) { s.Rules.Pending = &rules.PendingReport{Deadline: judgedAt} }, beat.Trial},
		{"a mistake", func(s *Status) { s.Agent.ConfigError = trouble }, beat.Config},
		{"no copy kept", func(s *Status) { s.Agent.Unkept = map[string]bool{"list": true} }, beat.Disk},
		{"nothing can be written", func(s *Status) { s.Agent.StateFolder, s.StateFolder = trouble, trouble }, beat.Disk},
		{"nothing applied", func(s *Status) { s.Agent.ApplyError = trouble }, beat.Apply},
		{"stale", func(s *Status) { s.Feeds[0].Stale = true }, beat.Stale},
		{"held", func(s *Status) { s.Feeds[0].Held = &fetch.Held{} }, beat.Feed},
		{"failed", func(s *Status) { s.Feeds[0].Problem = trouble }, beat.Feed},
		{"frozen", func(s *Status) { s.Feeds[0].Frozen = true }, beat.Frozen},
		{"bans that no rule drops", func(s *Status) { s.BanSets[0].Drops = false }, beat.Bans},
		{"no set of bans", func(s *Status) { s.BanSets[0].Exists, s.Bans = false, 1 }, beat.Bans},
		{"the PBX", func(s *Status) { s.PBXProblems = []*problem.Problem{trouble} }, beat.PBX},
		{"the fleet", func(s *Status) { s.Fleet = &FleetStatus{Problems: []*problem.Problem{trouble}} }, beat.Link},
		{"two things", func(s *Status) { s.Sets[0].Drops, s.Feeds[0].Stale = false, true }, beat.NoDrop + " " + beat.Stale},
	} {
		s := wellStatus()
		c.change(s)
		s.judgeProtected()
		b := s.Beat(config.Default(), judgedAt)
		if got := strings.Join(b.Problems, " "); got != c.want || b.Protected != s.Protected {
			t.Errorf("%s: %q, protected %v; want %q, %v", c.name, got, b.Protected, c.want, s.Protected)
		}
		if v := beat.Judge(beat.Host{At: judgedAt, Beat: b}, "", judgedAt); (v.State == beat.Unprotected) == s.Protected || slices.Contains(v.Why, "it says so, and not why") {
			t.Errorf("%s: protected %v, and the operator sees %+v", c.name, s.Protected, v)
		}
		s.judge()
		if s.Worrying() != (c.want != "") {
			t.Errorf("%s: status says %q", c.name, s.Problems)
		}
		if text := string(beat.Encode(b)); strings.Contains(text, "203.0.113.9") {
			t.Errorf("%s: an address is told: %s", c.name, text)
		}
	}
}

// TestBeatOf: the heartbeat has the values of status.
func TestBeatOf(t *testing.T) {
	s := wellStatus()
	s.Version, s.Protected, s.Fleet = "1.4.0", true, &FleetStatus{Bans: 12}
	s.Agent.Repairs.Last = []state.Repair{{At: judgedAt.Add(-time.Minute)}, {At: judgedAt.Add(-59 * time.Minute)}, {At: judgedAt.Add(-time.Hour)}}
	s.Feeds = []feeds.Status{
		{Name: "never"},
		{Name: "voipbl", LastSuccess: judgedAt.Add(-2 * time.Hour), FetchedAt: judgedAt.Add(-5 * time.Hour), Digest: strings.Repeat("0c81", 16)},
		{Name: "mine", File: true, LastSuccess: judgedAt.Add(-9 * time.Hour), FetchedAt: judgedAt.Add(-9 * time.Hour)},
	}
	b := s.Beat(config.Default(), judgedAt)
	if b.Version != "1.4.0" || !b.Agent || !b.Protected || b.Entries != 6 || b.Bans != 12 || b.Repairs != 2 || len(b.Sets) != digestLength || len(b.Lists) != 2 {
		t.Errorf("%+v", b)
	}
	if b.Lists["voipbl"] != (beat.List{Digest: "0c810c810c810c81", Age: 7200}) || b.Lists["mine"].Age != 0 {
		t.Errorf("%+v", b.Lists)
	}
}
