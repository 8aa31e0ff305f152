package blocklist

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/state"
)

// wellStatus returns the status of a host without problems.
func wellStatus() *Status {
	set := func(name string) SetStatus {
		return SetStatus{Name: name, Exists: true, Ours: true, Entries: 3, Drops: true}
	}
	return &Status{
		Sets: []SetStatus{set("voip_bl"), set("voip_bl6")}, BanSets: []SetStatus{set("voip_ban"), set("voip_ban6")},
		Rules: &rules.Status{}, Agent: &state.AgentStatus{Applied: judgedAt},
		Feeds: []feeds.Status{{Name: "list", LastSuccess: judgedAt, FetchedAt: judgedAt}},
	}
}

func TestStatusJudge(t *testing.T) {
	trouble := func(words string) *problem.Problem {
		return &problem.Problem{Reason: "x", Error: words, Remedy: "mend it"}
	}
	empty := func(s *Status) {
		s.Sets[0].Entries, s.Sets[1].Entries, s.Feeds[0].Source, s.Feeds[0].File = 0, 0, "mine.list", true
	}
	for _, test := range []struct {
		name      string
		change    func(*Status)
		protected bool
		want      string // the problem, "" for none
		remedy    string // a part of it
	}{
		{"all is well", func(*Status) {}, true, "", ""},
		{"no entries of IPv6", func(s *Status) { s.Sets[1].Entries, s.Sets[1].Drops = 0, false }, true, "", ""},
		{"no set", func(s *Status) { s.Sets[0].Exists = false }, false, "the kernel has no set voip_bl", "agent"},
		{"no set of IPv6", func(s *Status) { s.Sets[1].Exists = false }, true, "IPv6 is not protected as configured: the kernel has no set voip_bl6", "agent"},
		{"no rule for IPv6", func(s *Status) { s.Sets[1].Drops = false }, true, "IPv6 is not protected as configured: no rule of INPUT or PREROUTING drops the members of voip_bl6", "agent"},
		{"no rule for IPv6, of which all is", func(s *Status) {
			s.Sets[1].Drops, s.Sets[0].Entries, s.BanSets[0].Entries, s.BanSets[1].Entries = false, 0, 0, 0
		}, false, "IPv6 is not protected as configured: no rule of INPUT or PREROUTING drops the members of voip_bl6", "agent"},
		{"no set at all", func(s *Status) { s.Sets[0].Exists, s.Sets[1].Exists = false, false }, false, "the kernel has no set voip_bl and no set voip_bl6", "agent"},
		{"a set of others", func(s *Status) { s.Sets[0].Ours, s.Sets[0].Type = false, "hash:ip" }, false, "the set voip_bl is a hash:ip that somebody else made", "agent"},
		{"no rule", func(s *Status) { s.Sets[0].Drops = false }, false, "no rule of INPUT or PREROUTING drops the members of voip_bl", "agent"},
		{"no rule, no agent", func(s *Status) { s.Sets[0].Drops, s.Agent = false, nil }, false, "no rule of INPUT or PREROUTING drops the members of voip_bl", "voipbl sync"},
		{"nobody is blocked", func(s *Status) { empty(s); s.BanSets[0].Entries, s.BanSets[1].Entries = 0, 0 }, false, "nobody is blocked: the sets are empty", "write addresses into mine.list"},
		{"bans alone", empty, true, "only this host's own bans are blocked", "write addresses into mine.list"},
		{"an empty set, fetching", func(s *Status) { empty(s); s.Feeds[0].Fetching = true }, true, "only this host's own bans are blocked", "is fetching the list"},
		{"empty sets that a ban has made after a removal", func(s *Status) { empty(s); s.Feeds[0].Entries, s.Sets[0].unknown = 3, true }, true, "only this host's own bans are blocked", "agent"},
		{"empty sets, of a list with entries", func(s *Status) { empty(s); s.Feeds[0].Entries = 3 }, true, "only this host's own bans are blocked", "all that is listed is exempt"},
		{"empty sets, of a list that is not in force yet", func(s *Status) {
			empty(s)
			s.Feeds[0].Entries, s.Feeds[0].Waits = 3, true
		}, true, "only this host's own bans are blocked", "the agent puts it right"},
		{"empty sets, of a list that another process has put in force", func(s *Status) {
			empty(s)
			s.Feeds[0].Entries, s.Feeds[0].FetchedAt = 3, s.Agent.Applied.Add(time.Second)
		}, true, "only this host's own bans are blocked", "all that is listed is exempt"},
		{"sets that somebody has emptied, and bans", func(s *Status) {
			empty(s)
			s.Feeds[0].Entries, s.Sets[0].Changed, s.Sets[0].emptied = 3, true, true
		}, false, "IPv4 is not protected as configured: somebody else has emptied the set voip_bl", "the agent puts it right"},
		{"a set of IPv6 that somebody has emptied, of which all was, and bans", func(s *Status) {
			empty(s)
			s.Feeds[0].Entries, s.Sets[1].Changed, s.Sets[1].emptied = 3, true, true
		}, false, "IPv6 is not protected as configured: somebody else has emptied the set voip_bl6", "the agent puts it right"},
		{"sets that somebody has emptied, and no bans", func(s *Status) {
			empty(s)
			s.BanSets[0].Entries, s.BanSets[1].Entries = 0, 0
			s.Feeds[0].Entries, s.Sets[0].Changed, s.Sets[0].emptied = 3, true, true
		}, false, "nobody is blocked: the sets are empty", "the agent puts it right"},
		{"a set of IPv4 that somebody has emptied", func(s *Status) {
			s.Sets[0].Entries, s.Sets[0].Changed, s.Sets[0].emptied = 0, true, true
		}, false, "IPv4 is not protected as configured: somebody else has emptied the set voip_bl", "the agent puts it right"},
		{"a set of IPv6 that somebody has emptied", func(s *Status) {
			s.Sets[1].Entries, s.Sets[1].Changed, s.Sets[1].emptied = 0, true, true
		}, true, "IPv6 is not protected as configured: somebody else has emptied the set voip_bl6", "the agent puts it right"},
		{"rules that cannot be read", func(s *Status) {
			s.Rules.Problem, s.Rules.Unread, s.Sets[0].Drops = trouble("no iptables"), true, false
		}, false, "the rules cannot be read, so it is not known whether blocked addresses are dropped: no iptables", "mend it"},
		{"a changed set", func(s *Status) { s.Sets[0].Changed = true }, true, "somebody else has changed the set voip_bl since voipbl wrote it", "agent"},
		{"no rules as configured", func(s *Status) { s.Rules.Problem = trouble("beside ufw") }, true, "beside ufw", "mend it"},
		{"on trial", func(s *Status) { s.Rules.Pending = &rules.PendingReport{Deadline: judgedAt} }, true, "base rules are on trial until ", "firewall confirm"},
		{"on trial for too long", func(s *Status) { s.Rules.Pending = &rules.PendingReport{Deadline: judgedAt, Lapsed: true} }, true, "the rules on trial should have been taken back by now", "firewall rollback"},
		{"on trial, and gone", func(s *Status) { s.Rules.Pending = &rules.PendingReport{Deadline: judgedAt, Gone: true} }, true, "the rules on trial are not in force", "firewall rollback"},
		{"drift", func(s *Status) { s.Rules.Drift = make([]firewall.Change, 1) }, true, "the firewall is not as it should be in 1 place", "firewall diff"},
		{"more drift", func(s *Status) { s.Rules.Drift = make([]firewall.Change, 2) }, true, "the firewall is not as it should be in 2 places", "firewall diff"},
		{"a dead agent", func(s *Status) { s.Agent, s.AgentError = nil, trouble("it does not answer") }, true, "it does not answer", "mend it"},
		{"a mistake", func(s *Status) { s.Agent.ConfigError = &problem.Problem{Error: "line 3"} }, true, "the agent goes on with the old configuration: line 3", "config check"},
		{"no copy kept", func(s *Status) { s.Agent.Unkept = map[string]bool{"list": true, "other": false} }, true, "no copy of the list list can be kept", ""},
		{"nothing applied", func(s *Status) { s.Agent.ApplyError = trouble("the set is full") }, true, "the agent cannot put the lists in force: the set is full", "mend it"},
		{"never fetched", func(s *Status) { s.Feeds[0] = feeds.Status{Name: "list", Stale: true} }, true, "feed list was never fetched", ""},
		{"stale", func(s *Status) { s.Feeds[0].Stale = true }, true, "feed list is STALE: no success for three times its interval", "voipbl sync"},
		{"stale and held", func(s *Status) { s.Feeds[0].Stale, s.Feeds[0].Held = true, &fetch.Held{} }, true, "feed list is STALE", ""},
		{"held", func(s *Status) { s.Feeds[0].Held = &fetch.Held{} }, true, "feed list: a new list waits to be believed", ""},
		{"in trouble", func(s *Status) { s.Feeds[0].Problem = trouble("no certificate") }, true, "feed list: no certificate", "mend it"},
		{"in trouble for long", func(s *Status) { s.Feeds[0].Problem, s.Feeds[0].Failures = trouble("no certificate"), 1200 }, true, "feed list: failed 1,200 times: no certificate", "mend it"},
		{"never fetched, since it fails", func(s *Status) {
			s.Feeds[0] = feeds.Status{Name: "list", Stale: true, LastAttempt: judgedAt, Failures: 1, Problem: trouble("no route")}
		}, true, "feed list was never fetched: no route", "mend it"},
		{"stale, since it fails", func(s *Status) { s.Feeds[0].Stale, s.Feeds[0].Problem = true, trouble("no route") }, true, "feed list is STALE: no success for three times its interval: no route", "mend it"},
		{"frozen", func(s *Status) { s.Feeds[0].Frozen = true }, true, "feed list is FROZEN: its list has not changed since 0001-01-01", "frozen_after"},
		{"kept", func(s *Status) {
			s.Kept = []feeds.Kept{{Feed: "list", Why: "lost", Prefixes: 2, Since: judgedAt, Until: judgedAt.AddDate(0, 0, 7)}}
		}, true, "feed list: copy lost 2026-01-02 03:04, 2 prefixes stay until 2026-01-09 03:04", "solve the problem"},
		{"no rule for bans", func(s *Status) { s.BanSets[0].Drops = false }, true, "no rule of INPUT or PREROUTING drops the members of voip_ban", "agent"},
		{"no rule for bans that nobody has", func(s *Status) { s.BanSets[0].Drops, s.BanSets[0].Entries = false, 0 }, true, "", ""},
		{"a set of bans of others", func(s *Status) { s.BanSets[0].Ours = false }, true, "the set voip_ban is not one that voipbl made for bans", "ban_set:"},
		{"no set for bans", func(s *Status) { s.BanSets[0], s.Bans = SetStatus{Name: "voip_ban"}, 1 }, true, "the kernel has no set voip_ban for bans", "agent"},
		{"no set for bans that nobody has", func(s *Status) { s.BanSets[0] = SetStatus{Name: "voip_ban"} }, true, "", ""},
		{"a name that answers with no host's address", func(s *Status) {
			s.Names = []exempt.NameStatus{{Addresses: make([]dns.Address, 1), Failed: &dns.Failure{NoHost: true}, Warning: "name a.example"}}
		}, true, "name a.example", "mend DNS"},
		{"names that fail otherwise", func(s *Status) {
			s.Names = []exempt.NameStatus{{Warning: "x"}, {Failed: &dns.Failure{NoHost: true}, Warning: "x"}, {Failed: &dns.Failure{}, Addresses: make([]dns.Address, 1), Warning: "x"}}
		}, true, "", ""},
		{"a name without an answer", func(s *Status) { s.Unprotected = []string{"a.example"} }, true, "a.example of allow or trunks was never resolved", "its address"},
		{"never fetched, and not for long", func(s *Status) {
			s.Feeds[0] = feeds.Status{Name: "list", Problem: trouble("no copy")}
		}, true, "feed list was never fetched: no copy", "mend it"},
		{"nobody is banned", func(s *Status) { s.BanSets[0].Entries, s.BanSets[1].Entries = 0, 0 }, true, "", ""},
		{"IPv6 is left alone", func(s *Status) { s.Rules.IPv6Off, s.Sets[1].Drops, s.BanSets[1].Drops = true, false, false }, true, "", ""},
		{"IPv6 is left alone, of which all is but bans", func(s *Status) {
			s.Rules.IPv6Off, s.Sets[0].Entries, s.Sets[1].Drops, s.BanSets[1].Drops = true, 0, false, false
		}, true, "", ""},
		{"no rule for bans of IPv4, and IPv6 is left alone", func(s *Status) { s.Rules.IPv6Off, s.BanSets[0].Drops = true, false }, true, "no rule of INPUT or PREROUTING drops the members of voip_ban", "agent"},
		{"trouble with IPv6, and drift there", func(s *Status) {
			s.Families = []problem.FamilyProblem{{Family: "IPv6", Problem: *trouble("no ip6tables"), In: iptables.IPv6}}
			s.Sets[1].Drops, s.BanSets[1].Drops, s.Rules.Drift = false, false, []firewall.Change{{Family: "IPv6"}}
		}, true, "no ip6tables", "mend it"},
		{"trouble with IPv4", func(s *Status) {
			s.Families = []problem.FamilyProblem{{Family: "IPv4", Problem: *trouble("no iptables"), In: iptables.IPv4}}
			s.Sets[0].Drops, s.BanSets[0].Drops = false, false
		}, false, "no iptables", "mend it"},
		{"no rule of another program", func(s *Status) {
			s.Rules.DropAt, s.Rules.Problem, s.Sets[0].Drops = ruleset.Nowhere, trouble("no rule of others"), false
		}, false, "no rule of others", "mend it"},
		{"no rule of another program for IPv6", func(s *Status) {
			s.Rules.DropAt, s.Rules.Problem, s.Sets[1].Drops = ruleset.Nowhere, trouble("no rule of others"), false
		}, true, "no rule of others", "mend it"},
		{"no rule of another program, and nothing is told of it", func(s *Status) {
			s.Rules.DropAt, s.Sets[0].Drops = ruleset.Nowhere, false
		}, false, "no rule of INPUT or PREROUTING drops the members of voip_bl", "agent"},
		{"sets of other names", func(s *Status) { s.renamed = true }, true, "the configuration names other sets than voip_bl and voip_ban, which stay in force until those are filled", "agent"},
		{"sets of other names, which another program's rules do not ask", func(s *Status) { s.renamed, s.unasked = true, []string{"a", "b"} }, true, "the rules of another program ask voip_bl and voip_ban, which are not renewed: the configuration names a and b", "have that program's rules ask a and b instead"},
		{"former sets that only voipbl's own rules ask", func(s *Status) { s.renamed, s.ownAsk, s.unasked = true, true, []string{"a", "b"} }, true, "voipbl's own rules ask voip_bl and voip_ban, which are not renewed: the configuration names a and b", "have the other program's rules ask a and b, then run"},
		{"no rule, and the agent can make none", func(s *Status) {
			s.Sets[0].Drops, s.outlook = false, &rules.Report{Error: trouble("no xt_set")}
		}, false, "no rule of INPUT or PREROUTING drops the members of voip_bl", "mend it"},
		{"no rule, and the agent can make one", func(s *Status) { s.Sets[0].Drops, s.outlook = false, &rules.Report{} }, false, "no rule of INPUT or PREROUTING drops the members of voip_bl", "the agent puts it right"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := wellStatus()
			test.change(s)
			s.judge()
			if s.Protected != test.protected || s.Worrying() != (test.want != "") {
				t.Errorf("protected %v, problems %q", s.Protected, s.Problems)
			}
			i := slices.IndexFunc(s.Problems, func(p string) bool { return strings.HasPrefix(p, test.want) })
			if test.want == "" {
				return
			}
			if i < 0 || len(s.Problems) != 1 && !s.Sets[0].Changed {
				t.Fatalf("problems %q, want %q alone", s.Problems, test.want)
			}
			if got := s.Remedy(s.Problems[i]); !strings.Contains(got, test.remedy) {
				t.Errorf("remedy %q, want %q in it", got, test.remedy)
			}
		})
	}
}

// TestStatusWords: what is on, and how many banned exempt addresses are reported one by one.
func TestStatusWords(t *testing.T) {
	s := wellStatus()
	if got := s.On(); got != "the list is on" {
		t.Errorf("on: %s", got)
	}
	s.Sets[0].Entries, s.Sets[1].Entries = 0, 0
	if got := s.On(); got != "only this host's own bans are on" {
		t.Errorf("without a list: %s", got)
	}
	for _, not := range []func(*SetStatus){func(b *SetStatus) { b.Drops = false }, func(b *SetStatus) { b.Ours = false }} {
		s := wellStatus()
		not(&s.BanSets[1])
		if got := s.banned(); got != 3 {
			t.Errorf("%d are banned, with %+v", got, s.BanSets)
		}
	}
	for n, want := range map[int]string{reach.MaxExemptBans: "", reach.MaxExemptBans + 3: "3 more exempt addresses are banned"} {
		s := wellStatus()
		for i := range n {
			s.ExemptBanned = append(s.ExemptBanned, reach.ExemptBan{Banned: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), Set: "voip_ban", Own: true, Because: []exempt.Protected{{Reasons: []string{"allow"}}}})
		}
		s.judgeExemptBans()
		if last := s.Problems[len(s.Problems)-1]; (last == want) != (want != "") || len(s.Problems) != min(n, reach.MaxExemptBans+1) {
			t.Errorf("of %d: %q", n, s.Problems)
		}
	}
}

func TestReachedOverIPv6(t *testing.T) {
	for text, want := range map[string]bool{"2001:db8::1/64": true, "fe80::1/64": false, "192.0.2.1/24": false, "::1/128": false} {
		ip, n, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		if n.IP = ip; isGlobalIPv6(n) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
	if isGlobalIPv6(&net.UDPAddr{IP: net.ParseIP("2001:db8::1")}) {
		t.Error("no address of an interface")
	}
}

var judgedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestKeptIsNotNever: a list whose last good copy is lost was fetched once.
func TestKeptIsNotNever(t *testing.T) {
	s := wellStatus()
	s.Feeds[0] = feeds.Status{Name: "list", Stale: true, Problem: &problem.Problem{Error: "cut"}, LastAttempt: judgedAt}
	s.Kept = []feeds.Kept{{Feed: "list", Why: "lost", Prefixes: 2, Since: judgedAt, Until: judgedAt.AddDate(0, 0, 7)}}
	s.judge()
	if want := []string{"feed list has lost its copy: cut", s.Kept[0].Words()}; !slices.Equal(s.Problems, want) {
		t.Errorf("problems %q, want %q", s.Problems, want)
	}
}
