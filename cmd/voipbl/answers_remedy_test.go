package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/reach"
)

// ways are how to carry out the remedies that the table meets, as an admin would after reading
// them. The first match counts. If a remedy leaves a choice, rows choose in turn: see choose.
var ways []way

// way is one way to carry out a remedy.
type way struct {
	remedy *regexp.Regexp
	do     []func(s *stage, remedy string)
}

// by makes a way of what a remedy says, or of each thing that it says may be done.
func by(remedy string, do ...func(s *stage, remedy string)) way {
	return way{regexp.MustCompile(remedy), do}
}

// Not in the declaration: some ways carry out what remains of a remedy.
func init() {
	ways = []way{
		by(`^mend the configuration .*, then `, (*stage).mendFirst),
		by(`^have the agent take the file over \("voipbl reload".*, then `, (*stage).takeOverFirst),
		by(`^nothing: the agent`, func(*stage, string) {}),
		by(`^run "voipbl sync"`, func(s *stage, _ string) { s.typed("sync") }),
		by(`run "voipbl reload"`, func(s *stage, _ string) { s.typed("reload") }),
		by(`run "voipbl firewall apply"`, (*stage).applyAndConfirm),
		by(`^name that file with "--config .*, or stop the agent$`, func(s *stage, _ string) { s.asked = s.file }, func(s *stage, _ string) { s.end() }),
		by(`^name that file with "--config [^,]*$`, func(s *stage, _ string) { s.asked = s.file }),
		by(`see "voipbl config check"`, (*stage).mendFile),
		by(`"systemctl restart voipbl"`, (*stage).restart),
		by(`^systemctl enable --now voipbl`, (*stage).restart),
		by(`^switch off (ufw: "ufw disable"|nftables \(inet filter\): "nft delete table inet filter" .*); or set "firewall: {base: false}" .*, or set "beside_others: true"$`, (*stage).switchOff, (*stage).baseOff, (*stage).besideOthers),
		by(`^switch off (ufw: "ufw disable"|nftables \(inet filter\): "nft delete table inet filter" [^;]*)$`, (*stage).switchOff),
		by(`^let it in there too .*, or take that table out \("nft delete table inet filter"\)$`, (*stage).letInThere, (*stage).switchOff),
		by(`^write addresses into .*, or name another list below "feeds:"`, (*stage).fillList, (*stage).nameList),
		by(`^write addresses into `, (*stage).fillList),
		by(`^name another list below "feeds:"`, (*stage).nameList),
		by(`^create the file or correct the feed's path in the configuration`, (*stage).mendSecond, (*stage).moveSecond),
		by(`^create the file`, (*stage).mendSecond),
		by(`^solve the problem of the feed second; `, (*stage).mendSecond),
		by(`^install it with "apt-get install iptables", or choose the other backend with "firewall: {backend: …}"`, func(s *stage, _ string) { s.giveTools() }, (*stage).otherBackend),
		by(`^install it with "apt-get install iptables"`, func(s *stage, _ string) { s.giveTools() }),
		by(`^voipbl allow \S+$`, func(s *stage, remedy string) { s.typed(strings.Fields(remedy)[1:]...) }),
		by(`^take it out or make it narrower: `, func(s *stage, remedy string) {
			s.must("sh", "-ec", strings.TrimPrefix(remedy, "take it out or make it narrower: "))
		}),
	}
}

// follow carries out remedies until there is no trouble left: each ends the trouble that
// it is given for, and then all is well.
func (s *stage) follow(a hostAnswers) {
	s.t.Helper()
	for round := 0; ; round++ {
		all := slices.DeleteFunc(a.remedies(), func(r told) bool { return r.remedy == "" })
		if len(all) == 0 {
			break
		}
		if round == 10 {
			s.t.Errorf("%s\nafter %d remedies there is still %q", s.row, round, all[0])
			return
		}
		r := all[0]
		s.t.Logf("%s: %q: %s", s.row, r.trouble, r.remedy)
		if !s.carryOut(r.remedy) {
			s.t.Errorf("%s\n%s says of %q: try %q\nno way is known to carry that out", s.row, r.by, r.trouble, r.remedy)
			return
		}
		if a = s.askUntilEnded(r); s.told(a, r) {
			s.t.Errorf("%s\n%s says of %q: try %q\nthat was done, and it is still said\n%s", s.row, r.by, r.trouble, r.remedy, a)
			return
		}
	}
	a = s.ask(func(q question) bool { return !q.json })
	if a.Status.code != exit.OK || a.Sync.code != exit.OK || a.Doctor.code != exit.OK || a.Diff.code != exit.OK || a.Listed.code != exit.OK || a.Unlisted.code != exitNoneBlocked {
		s.t.Errorf("%s\nall remedies were carried out, and not all is well:\n%s", s.row, a)
	} else {
		s.well = true
	}
}

// letIn does what check says to let the listed address in, if it is blocked, and undoes it. Each
// step must have its effect as soon as the command reports it.
func (s *stage) letIn(a hostAnswers) {
	s.t.Helper()
	remedies := lettingIn(a.Listed.out)
	if len(remedies) == 0 {
		return
	}
	for _, remedy := range remedies {
		s.t.Logf("%s: to let it in: %s", s.row, remedy)
		if !s.carryOut(remedy) {
			s.t.Errorf("%s\ncheck says what lets it in: %s\nno way is known to carry that out\n%s", s.row, remedy, a.Listed.out)
			return
		}
	}
	ofListed := func(q question) bool {
		return q.into.command == a.Listed.command && slices.Equal(q.args, a.Listed.args)
	}
	if now := s.ask(ofListed); now.Listed.code != exitNoneBlocked || now.listed.Verdict != reach.NotBlocked {
		s.t.Errorf("%s\ncheck says what lets it in: %s\nthat was done, and\n%s", s.row, remedies, now.Listed)
	}
	s.typed("disallow", a.Listed.args[1])
	if now := s.ask(ofListed); now.Listed.code != a.Listed.code {
		s.t.Errorf("%s\nit is allowed no longer, and was blocked before:\n%s\n%s", s.row, a.Listed, now.Listed)
	}
}

// lettingIn is what check says lets an address in.
func lettingIn(words string) (remedies []string) {
	for _, m := range letInLine.FindAllStringSubmatch(words, -1) {
		remedies = append(remedies, m[1])
	}
	return remedies
}

var letInLine = regexp.MustCompile(`(?m)^  (?:to let it in:|and:) +(.*)$`)

// carryOut does what a remedy says, and reports whether it is known how.
func (s *stage) carryOut(remedy string) bool {
	s.t.Helper()
	for _, w := range ways {
		if w.remedy.MatchString(remedy) {
			w.do[s.choose(remedy, len(w.do))](s, remedy)
			return true
		}
	}
	return false
}

// askUntilEnded asks for all remedies. While an agent may still need time to end a trouble, it
// first repeats only the question whose answer had the trouble.
func (s *stage) askUntilEnded(r told) hostAnswers {
	s.t.Helper()
	a := s.ask(tellsRemedies)
	if !s.told(a, r) || !s.agentWorks() {
		return a
	}
	testpoll.Until(patience, func() bool {
		again := s.ask(func(q question) bool { return tellsRemedies(q) && q.into.command == r.by })
		return !s.told(again, r)
	})
	return s.ask(tellsRemedies)
}

// agentWorks reports whether there is an agent that may still do something.
func (s *stage) agentWorks() bool { return s.running != nil && !s.stopped }

// told reports whether a trouble is still told, whatever its numbers are, with the same
// remedy. With another one that is the next step, if it is not only that a file has been
// mended which the agent has not read again yet.
func (s *stage) told(a hostAnswers, r told) bool {
	same := func(x, y string) bool { return uncounted(x) == uncounted(y) }
	afterMending := func(remedy string) string { return mendsFirst.ReplaceAllString(remedy, "") }
	return slices.ContainsFunc(a.remedies(), func(now told) bool {
		return now.by == r.by && same(now.trouble, r.trouble) && same(afterMending(now.remedy), afterMending(r.remedy))
	})
}

var mendsFirst = regexp.MustCompile(`^mend the configuration \(.*?\), then `)

// choose takes one of n things that a remedy offers. Callers begin with different ones, so that
// each is done in some row. A row that meets a remedy again takes the next one, since doing and
// undoing the same two things would lead nowhere.
func (s *stage) choose(remedy string, n int) int {
	first := slices.Index([]string{"terminal", "ssh", "neither"}, s.row.Caller)
	s.met[remedy]++
	return (first + s.met[remedy] - 1) % n
}
