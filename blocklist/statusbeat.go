package blocklist

import (
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// digestLength is how much of a digest the operator is told, who compares hosts by it.
const digestLength = 16

// Beat is what this host tells the operator of its fleet: the same as status, without addresses. The status
// is that of a [Watch].
func (s *Status) Beat(cfg config.Config, now time.Time) beat.Beat {
	b := beat.Beat{Version: s.Version, Agent: s.Agent != nil, Protected: s.Protected, Entries: s.Entries(), Lists: make(map[string]beat.List)}
	document := documentStatus(cfg, s.Version, s.Agent)
	b.Problems = s.beatWords(cfg, document)
	if document != nil {
		b.Document = document.Serial
	}
	if s.Fleet != nil {
		b.Bans = s.Fleet.Bans
	}
	if s.Agent != nil {
		for _, r := range s.Agent.Repairs.Last {
			if now.Sub(r.At) < time.Hour {
				b.Repairs++
			}
		}
	}
	var digests []string
	for _, set := range state.LastRecord(cfg).Sets {
		digests = append(digests, set.Digest)
	}
	b.Sets = problem.Digest(digests)[:digestLength]
	for _, f := range s.Feeds {
		if f.Never() {
			continue
		}
		l := beat.List{Digest: f.Digest[:min(len(f.Digest), digestLength)]}
		if !f.File { // which is read whenever it changes
			l.Age = int64(now.Sub(f.LastSuccess) / time.Second)
		}
		b.Lists[f.Name] = l
	}
	return b
}

// beatWords are the problems of the host in the words of heartbeats.
func (s *Status) beatWords(cfg config.Config, document *DocumentStatus) (words []string) {
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(s.Rules.Unread, beat.RulesUnread)
	if !s.Protected {
		four, six := s.Sets[iptables.IPv4], s.Sets[iptables.IPv6]
		unused := func(set SetStatus) bool { return set.Ours && set.Entries > 0 && !set.Drops && !s.Rules.Unread }
		add(!four.Exists || !six.Exists && !s.ipv6Told(six), beat.NoSet)
		add(four.Exists && !four.Ours || six.Exists && !six.Ours, beat.ForeignSet)
		add(unused(four) || unused(six), beat.NoDrop)
		add(four.emptied || six.emptied, beat.Emptied)
		add(s.Entries() == 0 && s.banned() == 0, beat.Empty)
	}
	for _, f := range iptables.Families {
		add(s.Protected && settings.WantsRules(cfg, f) && s.Open(f), beat.Family)
	}
	add(s.Protected && s.OnlyBans() != nil, beat.OnlyBans)
	add(len(s.Altered()) > 0, beat.SetsOther)
	add(s.Rules.Problem != nil && !s.Rules.Unread || len(s.Rules.Obstacles) > 0 || len(s.Drift()) > 0, beat.Rules)
	add(s.Rules.Pending != nil, beat.Trial)
	add(HeldProblem(s.Held, s.Agent != nil) != nil, beat.Held)
	for _, f := range s.Feeds {
		add(f.Stale, beat.Stale)
		add(!f.Stale && (f.Held != nil || f.Problem != nil), beat.Feed)
		add(f.Frozen, beat.Frozen)
	}
	for i, set := range s.BanSets {
		unused := set.Ours && set.Entries > 0 && !set.Drops && !s.Rules.Unread && !(iptables.Family(i) == iptables.IPv6 && s.ipv6Told(set))
		add(unused || !set.Exists && s.Bans > 0 || set.Exists && !set.Ours, beat.Bans)
	}
	add(len(s.PBXProblems) > 0, beat.PBX)
	add(s.Fleet != nil && len(s.Fleet.Problems) > 0, beat.Link)
	if document != nil {
		for _, p := range document.Problems {
			if p.Reason == belowMinimum {
				add(true, beat.Minimum)
			} else {
				add(true, beat.Document)
			}
		}
	}
	if a := s.Agent; a != nil {
		add(a.ConfigError != nil, beat.Config)
		add(a.ApplyError != nil, beat.Apply)
		add(a.StateFolder != nil || len(a.UnkeptFeeds()) > 0, beat.Disk)
	}
	return words
}
