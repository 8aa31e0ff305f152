package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/screen"
)

// contradictions are what no two answers about one host may do. Each function says what
// contradicts what, or nothing.
var contradictions = []struct {
	name  string
	found func(*hostAnswers) string
}{
	{"people and programs get one exit code", oneExitCode},
	{"people and programs are told the same", wordsAsJSON},
	{"status: words, JSON and exit code", statusIsOne},
	{"doctor: findings and exit code", doctorIsOne},
	{"check: words, JSON and exit code", checkIsOne},
	{"check: what lets an address in", letInIsTold},
	{"status and doctor are worried together", worriedTogether},
	{"status and doctor name the same troubles", sameTroubles},
	{"what status says of the sets, check says of their members", checkAsStatus},
	{"status and diff of the rules", diffAsStatus},
	{"status and sync --dry-run of what is to be done", dryRunAsStatus},
	{"status and sync --dry-run of lists that block nobody", emptyAsStatus},
	{"all of the agent", agentAsOne},
	{"all of the configuration", configurationAsOne},
	{"a trouble has a remedy, and one alone", oneRemedy},
	{"nothing is to be done only where the agent does it", nothingToDo},
}

// judge holds the answers against each other.
func (s *stage) judge(a hostAnswers) {
	s.t.Helper()
	for _, c := range contradictions {
		if found := c.found(&a); found != "" {
			s.t.Errorf("%s\n%s: %s", a.Row, c.name, found)
		}
	}
}

func oneExitCode(a *hostAnswers) string {
	for _, one := range a.all() {
		if one.code != one.other {
			return fmt.Sprintf("%s ends with %d, with --json with %d", one.command, one.code, one.other)
		}
	}
	return ""
}

// wordsAsJSON: what is in the JSON is also in the words for people, except counts, which change
// from one answer to the next.
func wordsAsJSON(a *hostAnswers) string {
	type line struct{ by, words, text string }
	var want []line
	of := func(one answer, texts ...string) {
		for _, text := range texts {
			want = append(want, line{one.command, one.out + one.err, text})
		}
	}
	if a.status != nil {
		for _, p := range a.status.Problems {
			of(a.Status, strings.Split(p, "\n")...)
		}
	}
	if a.doctor != nil {
		for _, f := range a.doctor.Findings {
			of(a.Doctor, screen.Clean(f.Text), f.Code, screen.Clean(f.Remedy))
		}
	}
	for _, r := range []struct {
		answer
		rules *rules.Report
	}{{a.Diff, a.diff}, {a.Sync, rulesOf(a.sync)}} {
		if r.rules == nil {
			continue
		}
		if n := screen.Plural(len(r.rules.Changes), "change", "changes"); !strings.Contains(r.out, ", "+n) {
			return fmt.Sprintf("%s --json has %s, and not so without --json", r.command, n)
		}
		if p := r.rules.Problem; p != nil {
			of(r.answer, screen.Clean(p.Error), screen.Clean(p.Remedy))
		}
	}
	if a.sync != nil {
		for _, f := range a.sync.Feeds {
			if f.Problem != nil {
				of(a.Sync, screen.Clean(f.Problem.Error), screen.Clean(f.Problem.Remedy))
			}
		}
		for _, p := range []*problem.Problem{a.sync.Error, a.sync.AgentError, a.sync.Empty} {
			if p != nil {
				of(a.Sync, screen.Clean(p.Error), screen.Clean(p.Remedy))
			}
		}
	}
	for _, l := range want {
		if !strings.Contains(uncounted(l.words), uncounted(l.text)) {
			return fmt.Sprintf("%s --json says %q, and not so without --json", l.by, l.text)
		}
	}
	return ""
}

// rulesOf are the rules of a sync, if there are any.
func rulesOf(r *blocklist.SyncReport) *rules.Report {
	if r == nil {
		return nil
	}
	return r.Rules
}

func statusIsOne(a *hostAnswers) string {
	s := a.status
	if s == nil {
		if a.Status.code != exit.Usage {
			return fmt.Sprintf("an error, and exit code %d", a.Status.code)
		}
		return ""
	}
	want, word := exit.OK, "protected\n"
	switch {
	case !s.Protected:
		want, word = exitNotProtected, "not protected\n"
	case len(s.Problems) > 0:
		want = exit.Stale
	}
	if a.Status.code != want {
		return fmt.Sprintf("protected %v with %d problems, and exit code %d", s.Protected, len(s.Problems), a.Status.code)
	}
	if s.Rules.Base == rules.BaseOn && slices.ContainsFunc(s.Problems, func(p string) bool {
		return strings.HasPrefix(p, "the base rules are not installed") || strings.HasSuffix(p, "they are not installed")
	}) {
		return "the base rules are on, and not installed"
	}
	if !strings.HasPrefix(a.Status.out, word) {
		return fmt.Sprintf("protected %v, and the words %q", s.Protected, a.Status.out[:min(len(a.Status.out), 20)])
	}
	return ""
}

func doctorIsOne(a *hostAnswers) string {
	if a.doctor == nil {
		if a.Doctor.code != exit.Usage {
			return fmt.Sprintf("an error, and exit code %d", a.Doctor.code)
		}
		return ""
	}
	want := exit.OK
	for _, f := range a.doctor.Findings {
		switch {
		case f.Severity == advise.Problem:
			want = exitProblems
		case f.Severity == advise.Warning && want == exit.OK:
			want = exitWarnings
		}
	}
	if a.Doctor.code != want || a.doctor.Healthy != (want == exit.OK) {
		return fmt.Sprintf("healthy %v and exit code %d, not %d", a.doctor.Healthy, a.Doctor.code, want)
	}
	return ""
}

func checkIsOne(a *hostAnswers) string {
	for _, c := range []struct {
		answer
		report *blocklist.CheckReport
	}{{a.Listed, a.listed}, {a.Unlisted, a.unlisted}} {
		if c.report == nil {
			if c.code != exit.Usage {
				return fmt.Sprintf("an error, and exit code %d", c.code)
			}
			continue
		}
		words := strings.SplitN(c.out, "\n", 2)[0]
		if blocked := c.code == exit.OK; blocked != c.report.Blocked || blocked != (c.report.Verdict == reach.Blocked) || blocked != strings.Contains(words, " is blocked") {
			return fmt.Sprintf("blocked %v, verdict %s, exit code %d, %q", c.report.Blocked, c.report.Verdict, c.code, words)
		}
		if blocks := slices.ContainsFunc(c.report.Places, reach.Place.Blocks); blocks != c.report.Blocked {
			return fmt.Sprintf("blocked %v, and a place that blocks: %v", c.report.Blocked, blocks)
		}
	}
	return ""
}

// letInIsTold: whatever keeps an address out for certain has what ends that, in words too.
func letInIsTold(a *hostAnswers) string {
	for _, c := range []struct {
		answer
		report *blocklist.CheckReport
	}{{a.Listed, a.listed}, {a.Unlisted, a.unlisted}} {
		if c.report == nil {
			continue
		}
		var want []string
		for _, p := range c.report.Places {
			if p.Certain && !slices.Contains(want, p.Remedy) {
				want = append(want, p.Remedy)
			}
		}
		if told := lettingIn(c.out); !slices.Equal(told, want) || slices.Contains(want, "") {
			return fmt.Sprintf("%s tells people that %q lets it in, and programs that %q does", c.command, told, want)
		}
	}
	return ""
}

// ofTheState are the findings of doctor about things that status reports, too.
var ofTheState = []string{
	advise.NotProtected, advise.StaleFeed, advise.FeedTrouble, advise.FrozenFeed, advise.UnresolvedName, advise.SetChanged,
	advise.BanTrouble, advise.RulesNotAsSet, advise.RulesDrift, advise.PendingTrial, advise.AgentTrouble, advise.ConfigRefused,
	advise.AllowTrouble, advise.PhoneTrouble, advise.FamilyTrouble,
}

func worriedTogether(a *hostAnswers) string {
	if a.status == nil || a.doctor == nil {
		if (a.status == nil) != (a.doctor == nil) {
			return fmt.Sprintf("one of them cannot answer: status %d, doctor %d", a.Status.code, a.Doctor.code)
		}
		return ""
	}
	has := func(code string) bool {
		return slices.ContainsFunc(a.doctor.Findings, func(f advise.Finding) bool { return f.Code == code })
	}
	if has(advise.NotProtected) == a.status.Protected {
		return fmt.Sprintf("status: protected %v; doctor: %s %v", a.status.Protected, advise.NotProtected, has(advise.NotProtected))
	}
	if len(a.status.Problems) == 0 {
		if i := slices.IndexFunc(ofTheState, has); i >= 0 {
			return "status has no problem, and doctor finds " + ofTheState[i]
		}
	} else if a.doctor.Healthy {
		return "doctor finds nothing, and status: " + a.status.Problems[0]
	}
	return ""
}

// findingOf maps problems of status to findings of doctor.
var findingOf = []struct {
	problem *regexp.Regexp
	codes   []string
}{
	{regexp.MustCompile(`^the kernel has no set voip_bl`), []string{advise.NotProtected}},
	{regexp.MustCompile(`^the set voip_bl is a .* that somebody else made`), []string{advise.NotProtected}},
	{regexp.MustCompile(`^the set voip_bl6 is a .* that somebody else made`), []string{advise.FamilyTrouble}},
	{regexp.MustCompile(`^IPv6 is not protected as configured: `), []string{advise.FamilyTrouble}},
	{regexp.MustCompile(`^IPv4 is not protected as configured: `), []string{advise.NotProtected}},
	{regexp.MustCompile(`^nobody is blocked: the sets are empty`), []string{advise.NotProtected}},
	{regexp.MustCompile(`^only this host's own bans are blocked`), []string{advise.FeedTrouble}},
	{regexp.MustCompile(`^no rule of INPUT or PREROUTING drops`), []string{advise.NotProtected}},
	{regexp.MustCompile(`^the members of voip_bl reach .* past the rule that drops them`), []string{advise.NotProtected}},
	{regexp.MustCompile(`^somebody else has changed the set`), []string{advise.SetChanged}},
	{regexp.MustCompile(`^the firewall is not as it should be`), []string{advise.RulesDrift, advise.NotProtected}},
	{regexp.MustCompile(`^the agent goes on with the old configuration`), []string{advise.ConfigRefused}},
	{regexp.MustCompile(`voipbl.yaml has changed, and the agent has not reloaded it yet`), []string{advise.ConfigRefused}},
	{regexp.MustCompile(`^the agent uses .*, which differs from`), []string{advise.ConfigRefused}},
	{regexp.MustCompile(`^the configuration has a mistake`), []string{advise.ConfigRefused}},
	{regexp.MustCompile(`^the agent does not answer`), []string{advise.AgentTrouble}},
	{regexp.MustCompile(`^the agent cannot put the lists in force`), []string{advise.AgentTrouble}},
	{regexp.MustCompile(`^the base rules`), []string{advise.RulesNotAsSet}},
	{regexp.MustCompile(`^held: the lists stay as they were`), []string{advise.FeedTrouble}},
	{regexp.MustCompile(`^feed \S+: `), []string{advise.FeedTrouble, advise.StaleFeed}},
	{regexp.MustCompile(`^the list of registered phones cannot be read`), []string{advise.PhoneTrouble}},
	{regexp.MustCompile(`^some (registered phones|trunks)( and trunks)? are known and not written down`), []string{advise.PhoneTrouble}},
	{regexp.MustCompile(`^the set \S+ is not one that voipbl made for registered phones and trunks`), []string{advise.PhoneTrouble}},
	{regexp.MustCompile(`^the rules cannot be read`), []string{advise.NotProtected}},
	{regexp.MustCompile(`^ip6?tables-(nft|legacy): .*(no packet comes to them|leaves no packet for)`), []string{advise.ShadowedRule}},
	{regexp.MustCompile(` drops (the answers to )?what the base rules let in: `), []string{advise.OtherFirewall}},
	{regexp.MustCompile(`, which the base rules close, what they let in: `), []string{advise.ShadowedRule}},
}

func sameTroubles(a *hostAnswers) string {
	if a.status == nil || a.doctor == nil {
		return ""
	}
	for _, p := range a.status.Problems {
		known := false
		for _, f := range findingOf {
			if !f.problem.MatchString(p) {
				continue
			}
			known = true
			if !slices.ContainsFunc(a.doctor.Findings, func(g advise.Finding) bool { return slices.Contains(f.codes, g.Code) }) {
				return fmt.Sprintf("status says %q, and doctor finds no %s", p, f.codes)
			}
		}
		if !known {
			return fmt.Sprintf("which finding of doctor tells %q? findingOf does not know", p)
		}
	}
	return ""
}

// drops reports whether by what status says the members of the row's set are dropped.
func (a *hostAnswers) drops() bool {
	set := a.status.Sets[0]
	if a.Row.Family == "IPv6" {
		set = a.status.Sets[1]
	}
	return set.Exists && set.Ours && set.Entries > 0 && set.Drops
}

// elsewhere reports a row where other rules drop everybody's packets.
func (a *hostAnswers) elsewhere() bool { return a.Row.Rules == "shadowed" || a.Row.Rules == "native" }

func checkAsStatus(a *hostAnswers) string {
	if a.status == nil || a.listed == nil || a.unlisted == nil {
		return ""
	}
	ours := func(p reach.Place) bool { return p.Kind == reach.ByVoipbl && p.Blocks() }
	switch byUs := slices.ContainsFunc(a.listed.Places, ours); {
	case a.drops() == byUs:
	case a.drops() && a.elsewhere() && a.listed.Note != "" && len(a.status.Problems) > 0:
		// No packet comes so far: check says so, and status that the rules are not right.
	default:
		return fmt.Sprintf("by status members of the set are dropped: %v; check says of one that they are: %v", a.drops(), byUs)
	}
	if a.unlisted.Blocked && !a.elsewhere() {
		return "an address on no list is blocked"
	}
	return ""
}

// oneConfiguration reports whether the file that was asked about says what is in force.
func (a *hostAnswers) oneConfiguration() bool {
	switch a.Row.Config {
	case "same":
		return true
	case "edited":
		return a.Row.Agent == "none" || a.Row.Agent == "running"
	}
	return a.Row.Config == "other" && a.Row.Agent == "none"
}

func diffAsStatus(a *hostAnswers) string {
	d := a.diff
	if d == nil {
		if a.Diff.code != exit.Usage {
			return fmt.Sprintf("diff has an error, and exit code %d", a.Diff.code)
		}
		return ""
	}
	differs := len(d.Changes)+len(d.Missing)+len(d.Families)+len(d.Unresolved) > 0 || d.Problem != nil
	if (a.Diff.code == exitDiffers) != differs {
		return fmt.Sprintf("diff finds %d changes, and exit code %d", len(d.Changes), a.Diff.code)
	}
	if a.status == nil || !a.oneConfiguration() {
		return ""
	}
	if troubled := len(a.status.Rules.Drift) > 0 || a.status.Rules.Problem != nil || len(a.status.Families) > 0; troubled != differs {
		return fmt.Sprintf("by status the rules are not as they should be: %v; by diff: %v", troubled, differs)
	}
	return ""
}

func dryRunAsStatus(a *hostAnswers) string {
	r := a.sync
	if a.status == nil || r == nil || r.Error != nil {
		return ""
	}
	var would []string
	for _, set := range r.Sets {
		if set.Written {
			would = append(would, "write "+set.Name)
		}
	}
	if r.Rules != nil && len(r.Rules.Changes) > 0 {
		would = append(would, fmt.Sprintf("make %d changes to the rules", len(r.Rules.Changes)))
	}
	switch {
	case len(a.status.Problems) == 0 && len(would) > 0:
		return "status has no problem, and a sync would " + strings.Join(would, " and ")
	case len(a.status.Problems) == 0 && a.Sync.code != exit.OK:
		return fmt.Sprintf("status has no problem, and a dry run ends with %d", a.Sync.code)
	case len(a.status.Problems) > 0 && len(would) == 0 && a.Sync.code == exit.OK && !a.otherFileRefused():
		return "a sync would do nothing, and is content; status says: " + a.status.Problems[0]
	}
	return ""
}

// otherFileRefused reports whether all that is the matter is that the agent refuses its
// own file, while the one that was asked about is in force.
func (a *hostAnswers) otherFileRefused() bool {
	return a.Row.Agent == "refused" && a.Row.Config == "same" && !slices.ContainsFunc(a.status.Problems, func(p string) bool {
		return !strings.HasPrefix(p, "the agent goes on with the old configuration: ")
	})
}

// emptyAsStatus: that the lists have nothing to block is 1 of status, not protected, and 3
// of a sync, which has done what it was asked for.
func emptyAsStatus(a *hostAnswers) string {
	r := a.sync
	if a.status == nil || r == nil || r.Error != nil {
		return ""
	}
	switch {
	case r.Empty == nil:
		return ""
	case a.Sync.code != exit.Stale || !strings.Contains(a.Sync.err, r.Empty.Error):
		return fmt.Sprintf("the sets would be empty, and a dry run ends with %d: %s", a.Sync.code, a.Sync.err)
	case a.status.Protected && a.oneConfiguration() && !slices.ContainsFunc(r.Sets, func(s blocklist.SetReport) bool { return s.Written }):
		return "status: protected; a dry run: " + r.Empty.Error
	}
	return ""
}

func agentAsOne(a *hostAnswers) string {
	if a.status == nil || a.doctor == nil {
		return ""
	}
	has := func(code string) bool {
		return slices.ContainsFunc(a.doctor.Findings, func(f advise.Finding) bool { return f.Code == code })
	}
	s := a.status
	switch {
	case (s.Agent == nil && s.AgentError == nil) != has(advise.AgentNotRunning):
		return fmt.Sprintf("an agent is there by status: %v; doctor finds %s: %v", s.Agent != nil || s.AgentError != nil, advise.AgentNotRunning, has(advise.AgentNotRunning))
	case s.AgentError != nil && !has(advise.AgentTrouble):
		return "by status the agent does not answer, and doctor finds no " + advise.AgentTrouble
	case a.sync != nil && a.sync.Error == nil && (a.sync.AgentError != nil) != (s.AgentError != nil):
		return fmt.Sprintf("by status the agent is in trouble: %v; by sync: %v", s.AgentError, a.sync.AgentError)
	}
	return ""
}

// saysOther matches what a command says if it uses another configuration than the file's.
var saysOther = regexp.MustCompile(`(?i)agent (?:uses|goes by)|old configuration|has a mistake|has not reloaded it|voipbl\.yaml:|does not answer`)

// saysToolless is a command that can do nothing at all.
var saysToolless = regexp.MustCompile(`is not installed`)

func configurationAsOne(a *hostAnswers) string {
	if a.oneConfiguration() || a.status == nil {
		return ""
	}
	for _, one := range a.all() {
		if !saysOther.MatchString(one.out+one.err) && !saysToolless.MatchString(one.out+one.err) {
			return one.command + " does not say that the file is not what is in force"
		}
	}
	return ""
}

// told is a trouble with what is to be done about it.
type told struct{ by, trouble, remedy string }

// ofLast are lines between a trouble of sync and its remedy.
var ofLast = regexp.MustCompile(`^  (its copy of|the rest of it|there is no earlier copy)`)

var tryLine = regexp.MustCompile(`(?m)^ +try: +(.*)$`)

// remedies are all that are printed, but for what doctor only notes.
func (a *hostAnswers) remedies() (all []told) {
	for _, one := range []*answer{&a.Status, &a.Sync, &a.Diff} {
		last := ""
		for line := range strings.Lines(one.out + one.err) {
			line = strings.TrimSuffix(line, "\n")
			if m := tryLine.FindStringSubmatch(line); m != nil {
				all = append(all, told{one.command, last, m[1]})
			} else if ofLast.MatchString(line) {
				continue
			} else if last = strings.TrimPrefix(strings.TrimSpace(line), "voipbl: "); strings.HasPrefix(line, "mine ") {
				last = "mine"
			}
		}
	}
	if a.doctor != nil {
		for _, f := range a.doctor.Findings {
			if f.Severity == advise.Note {
				continue
			}
			all = append(all, told{"voipbl doctor", f.Text, f.Remedy})
		}
	}
	return all
}

func oneRemedy(a *hostAnswers) string {
	first := make(map[string]told)
	all := a.remedies()
	for _, r := range all {
		trouble := strings.TrimPrefix(r.trouble, "this host is not protected: ")
		if before, there := first[trouble]; there && before.remedy != r.remedy {
			return fmt.Sprintf("%q:\n%s: %s\n%s: %s", trouble, before.by, before.remedy, r.by, r.remedy)
		}
		first[trouble] = r
		if r.remedy == "" {
			return fmt.Sprintf("%s has no remedy for %q", r.by, r.trouble)
		}
	}
	if a.status != nil {
		for _, p := range a.status.Problems {
			if first[strings.Split(p, "\n")[0]].remedy == "" && first[p].remedy == "" {
				return fmt.Sprintf("status has no remedy for %q", p)
			}
		}
	}
	return ""
}

func nothingToDo(a *hostAnswers) string {
	for _, r := range a.remedies() {
		if strings.HasPrefix(r.remedy, "nothing") && (a.status == nil || a.status.Agent == nil) {
			return fmt.Sprintf("%s says %q of %q, and there is no agent", r.by, r.remedy, r.trouble)
		}
	}
	return ""
}
