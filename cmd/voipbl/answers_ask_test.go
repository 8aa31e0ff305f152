package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/show"
)

// answer is what one command says.
type answer struct {
	command string
	args    []string
	code    int
	out     string
	err     string
	json    []byte // what the same command says with --json
	jsonErr string // on stderr
	other   int    // and how that ends
}

// hostAnswers are all answers about a host at one time.
type hostAnswers struct {
	Row trouble

	Status, Sync, Doctor, Diff answer
	Listed, Unlisted           answer // of check

	// What they say to programs; nil where a command could not answer.
	status *blocklist.Status
	sync   *blocklist.SyncReport
	doctor *show.DoctorReport
	diff   *rules.Report

	listed, unlisted *blocklist.CheckReport
}

func (a *hostAnswers) all() []*answer {
	return []*answer{&a.Status, &a.Sync, &a.Doctor, &a.Diff, &a.Listed, &a.Unlisted}
}

// String shows what it says to people.
func (a answer) String() string {
	return fmt.Sprintf("$ %s -> %d\n%s%s", a.command, a.code, a.out, a.err)
}

// String shows them.
func (a hostAnswers) String() string {
	var b strings.Builder
	for _, one := range a.all() {
		b.WriteString(one.String())
	}
	return b.String()
}

// question is one command in one form.
type question struct {
	args []string
	into *answer
	json bool
}

// questions are all commands, for people and for programs.
func (s *stage) questions(a *hostAnswers) (all []question) {
	listed, unlisted := onList, onNoList
	if s.row.Family == "IPv6" {
		listed, unlisted = onList6, onNoList6
	}
	for _, q := range []question{
		{args: []string{"status"}, into: &a.Status},
		{args: []string{"sync", "--dry-run"}, into: &a.Sync},
		{args: []string{"doctor", "--root", s.root}, into: &a.Doctor},
		{args: []string{"firewall", "diff"}, into: &a.Diff},
		{args: []string{"check", listed}, into: &a.Listed},
		{args: []string{"check", unlisted}, into: &a.Unlisted},
	} {
		q.into.command, q.into.args = "voipbl "+strings.Join(q.args[:min(2, len(q.args))], " "), q.args
		all = append(all, q, question{q.args, q.into, true})
	}
	return all
}

// tellsRemedies are the questions that are answered with all remedies, but for check.
func tellsRemedies(q question) bool {
	return q.args[0] != "check" && q.json == (q.args[0] == "doctor")
}

// ask asks at once what is wanted, for a host does not stand still for long.
func (s *stage) ask(wanted func(question) bool) hostAnswers {
	s.t.Helper()
	a := hostAnswers{Row: s.row}
	type asked struct {
		question
		cmd      *exec.Cmd
		out, err bytes.Buffer
	}
	var under []*asked
	for _, q := range s.questions(&a) {
		if !wanted(q) {
			continue
		}
		args := append([]string{"--config", s.asked}, q.args...)
		if q.json {
			args = append(args, "--json")
		}
		one := &asked{question: q, cmd: s.as(s.row.Caller, args...)}
		one.cmd.Stdout, one.cmd.Stderr = &one.out, &one.err
		if err := one.cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		under = append(under, one)
	}
	for _, one := range under {
		err := one.cmd.Wait()
		code := exitCode(err)
		if code < 0 {
			s.t.Fatalf("%s: %v", one.into.command, err)
		}
		if one.json {
			one.into.json, one.into.jsonErr, one.into.other = one.out.Bytes(), one.err.String(), code
		} else {
			one.into.out, one.into.err, one.into.code = one.out.String(), one.err.String(), code
		}
	}
	a.status = read[blocklist.Status](s, a.Status)
	a.sync = read[blocklist.SyncReport](s, a.Sync)
	a.doctor = read[show.DoctorReport](s, a.Doctor)
	a.diff = read[rules.Report](s, a.Diff)
	for _, c := range []struct {
		from answer
		to   **blocklist.CheckReport
	}{{a.Listed, &a.listed}, {a.Unlisted, &a.unlisted}} {
		if all := read[[]blocklist.CheckReport](s, c.from); all != nil && len(*all) == 1 {
			*c.to = &(*all)[0]
		}
	}
	return a
}

// read reads what a command says to programs; nil for an error, which has a form of its
// own.
func read[T any](s *stage, a answer) *T {
	s.t.Helper()
	if len(a.json) == 0 {
		return nil // not asked, or it says so on stderr alone
	}
	var failed struct {
		Error *struct{ Error, Remedy string } `json:"error"`
	}
	if json.Unmarshal(a.json, &failed) == nil && failed.Error != nil && !bytes.Contains(a.json, []byte(`"outcome"`)) && !bytes.Contains(a.json, []byte(`"changes"`)) {
		return nil
	}
	v := new(T)
	if err := json.Unmarshal(a.json, v); err != nil {
		s.t.Errorf("%s: %s --json: %v: %s%s", s.row, a.command, err, a.json, a.jsonErr)
		return nil
	}
	return v
}

// askStill asks everything until the host stands still meanwhile, as it does between two
// steps of the agent, and once the agent has put right what it can.
func (s *stage) askStill() (a hostAnswers) {
	s.t.Helper()
	everything := func(question) bool { return true }
	if !s.agentWorks() {
		return s.ask(everything) // nobody changes anything
	}
	before := s.standing()
	for deadline := time.Now().Add(stillness); ; {
		a = s.ask(everything)
		after := s.standing()
		if before != "" && before == after && standing(a.status) == after && !a.unheard() {
			return a
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%s\nthe host does not stand still within %s:\n%s\n%s\n%s", s.row, stillness, before, after, a)
			return a
		}
		before = after
		testpoll.For(time.Until(deadline), func() bool { // it is at work
			last := before
			before = s.standing()
			return before != "" && before == last
		})
	}
}

// stillness is longer than the agent ever waits before it tries again.
const stillness = 3 * time.Minute

// standing is the state of the host at this moment.
func (s *stage) standing() string {
	s.t.Helper()
	a := s.ask(func(q question) bool { return q.args[0] == "status" && q.json })
	return standing(a.status)
}

// standing returns everything that a step of the agent changes, including the agent's counters, or
// "" if that is not known.
func standing(s *blocklist.Status) string {
	if s == nil || s.Agent == nil {
		return ""
	}
	sets := slices.Concat(s.Sets, s.BanSets)
	for i := range sets {
		sets[i].Memory, sets[i].Packets, sets[i].Bytes = 0, 0, 0
	}
	text, err := json.Marshal([]any{
		s.Protected, s.Problems, sets, s.Rules.Base, s.Rules.Drift, s.Rules.Problem, s.Rules.Obstacles,
		s.Agent.Applies, s.Agent.Repairs.Rules, s.Agent.Repairs.Sets, s.Agent.ConfigLoaded, s.Agent.ConfigError, s.Agent.ApplyError,
	})
	if err != nil {
		return ""
	}
	return string(text)
}

// unheard reports whether the agent was too busy to answer one of the questions, as on a
// machine where the others keep it from its work.
func (a *hostAnswers) unheard() bool {
	for _, one := range a.all() {
		if strings.Contains(one.out+one.err+string(one.json)+one.jsonErr, "the agent does not answer within") {
			return true
		}
	}
	return false
}

// uncounted is a text without its numbers.
func uncounted(text string) string { return numbers.ReplaceAllString(text, "N") }

var numbers = regexp.MustCompile(`[0-9]+`)
