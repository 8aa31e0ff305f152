package fail2ban

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// Look asks fail2ban what it watches and where it bans. It returns nil if fail2ban is not
// installed.
func Look(ctx context.Context, l *probe.Look, client []string) *Facts {
	if len(client) == 0 {
		path := l.Program("fail2ban-client")
		if path == "" && l.Real() && l.Running("fail2ban-server") {
			l.Unknown("what fail2ban does", errors.New("there is no fail2ban-client to ask it by"), "name it: --fail2ban \"docker exec CONTAINER fail2ban-client\", if it is in a container")
			return &Facts{Jails: []Jail{}, Silent: true}
		}
		if path == "" {
			return nil
		}
		if !l.Real() {
			return &Facts{Jails: []Jail{}}
		}
		client = []string{path}
	}
	f := &Facts{Jails: []Jail{}}
	version := ""
	var answers []string
	c, err := startF2b(ctx, client)
	if err == nil {
		defer c.end()
		answers, err = c.ask(ctx, [][]string{{"version"}, {"status"}})
		version = parseF2bVersion(c.greeting)
	}
	if err != nil {
		// If there is no server process either, then fail2ban is known not to run.
		if f.Silent = l.Running("fail2ban-server"); f.Silent || !errors.Is(err, errF2bSilent) {
			l.Unknown("what fail2ban does", err, "")
		} else {
			f.Down = l.AtBoot("fail2ban")
			f.lookAtConfig(ctx, l, client)
		}
		if f.Version = version; version == "" {
			out, _, err := probe.Run(ctx, append(slices.Clone(client), "--version")...)
			l.Unknown("the version of fail2ban", err, "")
			f.Version = parseF2bVersion(out)
		}
		return f
	}
	f.Running = true
	f.Version = strings.TrimSpace(answers[0])
	f.lookAtConfig(ctx, l, client)
	var names []string
	for _, name := range parseJails(answers[1]) {
		if !f2bQuotable(name) {
			l.Unknown("the jail "+name+" of fail2ban", errors.New("its name has quotes or backslashes"), "fail2ban-client status")
			continue
		}
		names = append(names, name)
	}
	jails, err := askJails(ctx, l, c, names)
	l.Unknown("the jails of fail2ban", err, "")
	f.Jails = append(f.Jails, jails...)
	return f
}

// lookAtConfig finds out why fail2ban would not start.
func (f *Facts) lookAtConfig(ctx context.Context, l *probe.Look, client []string) {
	if f.Mistake = fail2banMistake(ctx, client); f.Mistake != "" || filepath.Base(client[0]) != "fail2ban-client" || readsJournal(l) {
		return
	}
	dump, _, err := probe.Run(ctx, append(slices.Clone(client), "-d")...)
	if err == nil {
		f.JournalJails = parseF2bJournalJails(dump)
	}
}

// journalModules are where the Python module may be that reads the journal.
var journalModules = []string{"/usr/lib/python3*/dist-packages/systemd/journal.py", "/usr/local/lib/python3*/*-packages/systemd/journal.py", "/usr/lib*/python3*/site-packages/systemd/journal.py"}

func readsJournal(l *probe.Look) bool {
	return slices.ContainsFunc(journalModules, func(pattern string) bool {
		found, _ := filepath.Glob(l.Path(pattern))
		return len(found) > 0
	})
}

var f2bJournalJail = lazyregexp.New(`(?m)^\['add', '([^']+)', 'systemd[^']*'\]$`)

// parseF2bJournalJails finds jails that read the journal, in the commands with which a client
// creates a server's jails.
func parseF2bJournalJails(dump string) (jails []string) {
	for _, m := range f2bJournalJail().FindAllStringSubmatch(dump, -1) {
		jails = append(jails, m[1])
	}
	return jails
}

// fail2banMistake runs fail2ban's test of its configuration, which changes nothing. It returns the
// mistake that keeps fail2ban from starting, or "" if the test finds none.
func fail2banMistake(ctx context.Context, client []string) string {
	_, said, err := probe.Run(ctx, append(slices.Clone(client), "--test")...)
	if err == nil {
		return ""
	}
	return parseF2bMistake(said)
}

// parseF2bMistake finds the reason in fail2ban's log.
func parseF2bMistake(log string) string {
	for line := range strings.Lines(log) {
		if _, mistake, ok := strings.Cut(line, "Failed during configuration: "); ok {
			return strings.TrimSpace(mistake)
		}
	}
	return ""
}

// parseF2bVersion parses "Fail2Ban v1.0.2" and what follows.
func parseF2bVersion(out string) string {
	words := strings.Fields(out)
	if len(words) < 2 || !strings.EqualFold(words[0], "fail2ban") {
		return ""
	}
	return strings.TrimPrefix(words[1], "v")
}

// jailQuestions are the questions about each jail.
var jailQuestions = []func(jail string) []string{
	func(jail string) []string { return []string{"get", jail, "logpath"} },
	func(jail string) []string { return []string{"get", jail, "banip"} },
	func(jail string) []string { return []string{"get", jail, "actions"} },
	func(jail string) []string { return []string{"get", jail, "journalmatch"} },
	func(jail string) []string { return []string{"get", jail, "logtimezone"} },
	func(jail string) []string { return []string{"get", jail, "findtime"} },
	func(jail string) []string { return []string{"status", jail} },
	func(jail string) []string { return []string{"get", jail, "failregex"} },
}

// askJails asks about the jails, then for properties that their actions have. Asking for another
// property would put an error into fail2ban's log.
func askJails(ctx context.Context, l *probe.Look, c *f2bClient, names []string) ([]Jail, error) {
	var questions [][]string
	for _, name := range names {
		for _, what := range jailQuestions {
			questions = append(questions, what(name))
		}
	}
	answers, err := c.ask(ctx, questions)
	if err != nil {
		return nil, err
	}
	var jails []Jail
	var actions []f2bAction
	readers := make([]logReader, len(names))
	for i, name := range names {
		answer := answers[len(jailQuestions)*i:]
		j := Jail{Name: name, Logs: parseLogPaths(answer[0]), Actions: []Action{}, JournalMatch: parseJournalMatch(answer[3])}
		j.Banned, j.BannedNetworks = parseBanned(answer[1])
		readers[i] = logReader{j.Logs, counted(answer[6]), countsOf(answer[7])}
		for _, a := range parseNames(answer[2]) {
			if f2bQuotable(a) {
				actions = append(actions, f2bAction{jail: i, jailName: name, name: a})
			}
		}
		jails = append(jails, j)
	}
	for i := range jails {
		answer := answers[len(jailQuestions)*i:]
		whole, _, _ := strings.Cut(strings.TrimSpace(answer[5]), ".") // "1.5h" is 5400.0
		findtime, _ := strconv.Atoi(whole)
		jails[i].Sick = sickLogs(l, readers, i, time.Duration(findtime)*time.Second, !strings.Contains(answer[4], "None"), time.Now())
	}
	if err := askActions(ctx, c, actions); err != nil {
		return jails, fmt.Errorf("where they ban: %w", err)
	}
	for _, a := range actions {
		jails[a.jail].Actions = append(jails[a.jail].Actions, classifyAction(a.name, a.properties))
	}
	return jails, nil
}

// f2bAction is an action of a jail with its properties.
type f2bAction struct {
	jail           int
	jailName, name string
	properties     map[string]string
}

// askActions fills in the properties of the actions.
func askActions(ctx context.Context, c *f2bClient, actions []f2bAction) error {
	var questions [][]string
	for _, a := range actions {
		questions = append(questions, []string{"get", a.jailName, "actionproperties", a.name})
	}
	answers, err := c.ask(ctx, questions)
	if err != nil {
		return err
	}
	type wish struct {
		action   int
		property string
	}
	var wishes []wish
	questions = nil
	for i, a := range actions {
		actions[i].properties = map[string]string{}
		properties := parseNames(answers[i])
		if !slices.Contains(properties, "actionban") {
			continue // written in Python, such as a mail or a report; its properties may be passwords
		}
		for _, p := range properties {
			if banProperty(p) && f2bQuotable(p) {
				wishes = append(wishes, wish{i, p})
				questions = append(questions, []string{"get", a.jailName, "action", a.name, p})
			}
		}
	}
	answers, err = c.ask(ctx, questions)
	if err != nil {
		return err
	}
	for i, w := range wishes {
		actions[w.action].properties[w.property] = answers[i]
	}
	return nil
}

// banProperty reports whether a property may be part of a ban. Other commands, such as actionstart,
// and fail2ban's own constants are not.
func banProperty(name string) bool {
	switch {
	case name == "actionban":
		return true
	case strings.HasPrefix(name, "action"), strings.HasPrefix(name, "ESCAPE_"), name == "actname", name == "banEpoch", name == "timeout":
		return false
	}
	return true
}

// Facts are what is known about this host's fail2ban.
type Facts struct {
	Version string `json:"version"`
	Running bool   `json:"running"`
	Jails   []Jail `json:"jails"`

	// Down means that systemd starts fail2ban at boot, but no server runs now. Silent means that a
	// server runs and does not answer.
	Down   bool `json:"down,omitempty"`
	Silent bool `json:"silent,omitempty"`

	// Mistake is what fail2ban's test of its configuration reports. JournalJails are jails that
	// read the journal on a host without the Python module for it, which the test does not notice.
	// Either one keeps fail2ban from starting; a running server has an older configuration.
	Mistake      string   `json:"mistake,omitempty"`
	JournalJails []string `json:"journal_jails,omitempty"`
}

// Jail is a running jail.
type Jail struct {
	Name   string       `json:"name"`
	Logs   []string     `json:"logs"` // empty if it reads the journal
	Banned []netip.Addr `json:"banned"`
	// BannedNetworks are bans of whole networks, made by hand.
	BannedNetworks []netip.Prefix `json:"banned_networks,omitempty"`
	Actions        []Action       `json:"actions"`

	JournalMatch string    `json:"journal_match,omitempty"` // which entries of the journal it reads
	Sick         []SickLog `json:"sick,omitempty"`          // logs that it reads in vain
}
