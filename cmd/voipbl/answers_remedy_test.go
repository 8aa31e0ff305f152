package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/voipbl/voipbl/internal/testpoll"
)

// ways are how the remedies are carried out that the table meets, each as an admin does
// who reads it. The first that matches counts.
var ways []way

// way is one of them.
type way struct {
	remedy *regexp.Regexp
	do     func(s *stage, remedy string)
}

// Not in the declaration: some ways carry out what remains of a remedy.
func init() {
	ways = []way{
		{regexp.MustCompile(`^mend the configuration .*, then `), (*stage).mendFirst},
		{regexp.MustCompile(`^nothing: the agent`), func(*stage, string) {}},
		{regexp.MustCompile(`^run "voipbl sync"`), func(s *stage, _ string) { s.typed("sync") }},
		{regexp.MustCompile(`run "voipbl reload"`), func(s *stage, _ string) { s.typed("reload") }},
		{regexp.MustCompile(`run "voipbl firewall apply"`), (*stage).applyAndConfirm},
		{regexp.MustCompile(`^name that file with "--config `), func(s *stage, _ string) { s.asked = s.file }},
		{regexp.MustCompile(`see "voipbl config check"`), (*stage).mendFile},
		{regexp.MustCompile(`"systemctl restart voipbl"`), (*stage).restart},
		{regexp.MustCompile(`^systemctl enable --now voipbl`), (*stage).restart},
		{regexp.MustCompile(`^switch off (ufw: "ufw disable"|nftables \(inet filter\): "nft delete table inet filter" .*); or leave `), (*stage).switchOff},
		{regexp.MustCompile(`^let it in there too .*, or take that table out \("nft delete table inet filter"\), or `), (*stage).switchOff},
		{regexp.MustCompile(`^write addresses into `), (*stage).fillList},
		{regexp.MustCompile(`^create the file or correct`), (*stage).mendSecond},
		{regexp.MustCompile(`^mend what is said about the list second; `), (*stage).mendSecond},
		{regexp.MustCompile(`^install it with "apt-get install iptables"`), func(s *stage, _ string) { s.giveTools() }},
		{regexp.MustCompile(`^take it out or make it narrower: (.*)`), func(s *stage, remedy string) {
			s.must("sh", "-ec", strings.TrimPrefix(remedy, "take it out or make it narrower: "))
		}},
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
	if a.Status.code != exitOK || a.Sync.code != exitOK || a.Doctor.code != exitOK || a.Diff.code != exitOK || a.Listed.code != exitOK || a.Unlisted.code != exitNoneBlocked {
		s.t.Errorf("%s\nall remedies were carried out, and not all is well:\n%s", s.row, a)
	} else {
		s.well = true
	}
}

// carryOut does what a remedy says, and reports whether it is known how.
func (s *stage) carryOut(remedy string) bool {
	s.t.Helper()
	for _, w := range ways {
		if w.remedy.MatchString(remedy) {
			w.do(s, remedy)
			return true
		}
	}
	return false
}

// askUntilEnded asks for all remedies. While there is an agent that may need its time to
// end a trouble, whoever told it is asked about that first.
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

// told reports whether a trouble is still told, whatever its numbers are.
func (s *stage) told(a hostAnswers, r told) bool {
	same := func(x string) string { return numbers.ReplaceAllString(x, "N") }
	return slices.ContainsFunc(a.remedies(), func(now told) bool { return now.by == r.by && same(now.trouble) == same(r.trouble) })
}

// typed runs a command as the row's caller.
func (s *stage) typed(args ...string) {
	s.t.Helper()
	out, err := s.as(s.row.Caller, append([]string{"--config", s.asked}, args...)...).CombinedOutput()
	s.t.Logf("$ voipbl %s -> %d\n%s", strings.Join(args, " "), exitCode(err), out)
}

// applyAndConfirm does what an admin does at a new ruleset: by SSH, and once more.
func (s *stage) applyAndConfirm(string) {
	s.t.Helper()
	for i, args := range [][]string{{"firewall", "apply"}, {"firewall", "confirm"}} {
		cmd := s.as("ssh", append([]string{"--config", s.asked}, args...)...)
		if i == 1 {
			cmd.Env = append(cmd.Env, "SSH_CONNECTION=192.168.7.5 50099 192.168.7.2 22")
		}
		out, err := cmd.CombinedOutput()
		s.t.Logf("$ voipbl %s -> %d\n%s", strings.Join(args, " "), exitCode(err), out)
	}
}

// mendFile is what follows from the mistake that "voipbl config check" shows.
func (s *stage) mendFile(string) {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	if string(text) == s.good {
		return // by what another remedy said, and the agent has not read it yet
	}
	if out, code := s.run("voipbl", "--config", s.asked, "config", "check"); code != exitUsage || !strings.Contains(out, s.asked) {
		s.t.Errorf("%s\nconfig check shows no mistake: %d: %s", s.row, code, out)
	}
	s.write(s.good)
}

// mendFirst is that, and then what follows.
func (s *stage) mendFirst(remedy string) {
	s.t.Helper()
	s.mendFile("")
	_, then, _ := strings.Cut(remedy, ", then ")
	s.carryOut(then)
}

// restart is what systemd does.
func (s *stage) restart(string) {
	s.t.Helper()
	if s.running != nil && s.stopped {
		s.signal(syscall.SIGTERM) // comes when it may go on
	}
	s.end()
	s.start()
}

// switchOff ends the other owner of the firewall.
func (s *stage) switchOff(string) {
	s.t.Helper()
	if s.row.Rules == "native" {
		s.must("nft", "delete", "table", "inet", "filter")
		return
	}
	for tool, chain := range s.ufw() {
		s.must("sh", "-ec", strings.NewReplacer("TOOL", tool, "CHAIN", chain).Replace("TOOL -D INPUT -j CHAIN; TOOL -F CHAIN; TOOL -X CHAIN"))
	}
}

// fillList writes addresses into the list, and runs a sync if that is said: an agent sees
// by itself that the list has changed.
func (s *stage) fillList(remedy string) {
	s.t.Helper()
	s.list(onList + "\n2a00:1::/48\n")
	if strings.Contains(remedy, runsSync) {
		s.typed("sync")
	}
}

// mendSecond brings the second list back, and runs a sync if that is said.
func (s *stage) mendSecond(remedy string) {
	s.t.Helper()
	s.second(secondList)
	if strings.Contains(remedy, runsSync) {
		s.typed("sync")
	}
}

// runsSync is the end of a remedy where no agent sees by itself what was done.
const runsSync = `then run "voipbl sync"`
