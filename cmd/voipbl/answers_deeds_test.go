package main

import (
	"github.com/voipbl/voipbl/internal/exit"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// What an admin does who carries out a remedy.

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
	if string(text) != s.broken() {
		return // mended by what another remedy said, and the agent has not read it yet
	}
	if out, code := s.run("voipbl", "--config", s.asked, "config", "check"); code != exit.Usage || !strings.Contains(out, s.asked) {
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

// takeOverFirst has the agent take its file over, and does what follows.
func (s *stage) takeOverFirst(remedy string) {
	s.t.Helper()
	s.typed("reload")
	_, then, _ := strings.Cut(remedy, ", then ")
	s.carryOut(then)
}

// configure changes a line of the configuration: of the file that the agent reads, or else of
// the one that was asked about.
func (s *stage) configure(from, to string) {
	s.t.Helper()
	file := s.asked
	if s.running != nil {
		file = s.file
	}
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		s.t.Errorf("%s\nno line to change: %s\n%s", s.row, from, text)
	}
	replaceFile(s.t, file, strings.Replace(string(text), from, to, 1))
}

func (s *stage) baseOff(string) { s.configure("  base: true\n", "  base: false\n") }
func (s *stage) besideOthers(string) {
	s.configure("firewall:\n", "firewall:\n  beside_others: true\n")
}

// otherBackend chooses the one whose tools are there.
func (s *stage) otherBackend(string) {
	s.t.Helper()
	s.configure("  backend: "+s.row.Backend+"\n", "  backend: "+map[string]string{"nft": "legacy", "legacy": "nft"}[s.backend]+"\n")
	s.strayed = true
}

// letInThere changes the other rules so that they let in what the base rules let in.
func (s *stage) letInThere(string) {
	s.must("nft", "insert", "rule", "inet", "filter", "input", "accept")
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

// fillList writes addresses into the list, and runs a sync if the remedy says so: an agent notices
// by itself that the list has changed.
func (s *stage) fillList(remedy string) {
	s.t.Helper()
	s.list(onList + "\n2a00:1::/48\n")
	if strings.Contains(remedy, runsSync) {
		s.typed("sync")
	}
}

// nameList has the configuration name another list.
func (s *stage) nameList(remedy string) {
	s.t.Helper()
	s.third()
	s.configure("{name: second,", "{name: third, path: "+s.dir+"/third}, {name: second,")
	if strings.Contains(remedy, runsSync) {
		s.typed("sync")
	}
}

// moveSecond has the configuration say where the second list is.
func (s *stage) moveSecond(remedy string) {
	s.t.Helper()
	s.third()
	s.configure(s.dir+"/second}", s.dir+"/third}")
	if strings.Contains(remedy, runsSync) {
		s.typed("sync")
	}
}

// third is a list that no configuration names yet.
func (s *stage) third() { replaceFile(s.t, filepath.Join(s.dir, "third"), secondList) }

// mendSecond brings the second list back, and runs a sync if the remedy says so.
func (s *stage) mendSecond(remedy string) {
	s.t.Helper()
	s.second(secondList)
	if strings.Contains(remedy, runsSync) {
		s.typed("sync")
	}
}

// runsSync is the end of a remedy where no agent sees by itself what was done.
const runsSync = `then run "voipbl sync"`
