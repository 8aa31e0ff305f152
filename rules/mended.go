package rules

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
)

// What a remedy says to do first if the file is not what is in force: it has a mistake, or it
// takes away more than the agent does by itself.
const (
	MendFirst = "mend the configuration (see \"voipbl config check\"), then "
	TakeFirst = "have the agent take the file over (\"voipbl reload\", if what it takes away is meant), then "
)

var (
	// readsFile finds the commands that read the file, and refuse one with a mistake.
	readsFile = lazyregexp.New(`"voipbl (sync|reload|firewall (apply|confirm))`)

	// writesFile finds advice to write something into the file.
	writesFile = lazyregexp.New(`"[a-z_]+:|(in|of) the configuration|into "?allow\b|(lower|raise|set|correct) the feed's [a-z_]+|` +
		`\b(limits|firewall\.sip)\.[a-z_]+|\bfirewall\.(local_networks|services|trunks)\b|\breport\.(url|serial)\b|\bmetrics\.listen\b`)

	// orWrite finds such advice among alternatives that help as well. Its parentheses keep what
	// has to stay, such as a command that follows either way.
	orWrite = lazyregexp.New(`,? or name another list below "feeds:"([^:]*): those that are named have no entry|,? or name another list below "feeds:"|` +
		`[;,] or set "[a-z_]+:.*$| or correct the feed's path in the configuration|` +
		`; or (?:write|add) .* (?:in)?to firewall\.(?:sip\.ports|services)(?:, too)?|, or write into allow where you come from|write its address instead, or |, or write its address instead|` +
		`; for the drop alone, "drop_at: [^"]*" does without that table|; or here: "log_drops: [^"]*", which ulogd reads|` +
		`, or choose the other backend with "firewall: [^"]*"|; if this host needs no protection over IPv6, say so with "firewall: [^"]*"`)
)

// Mended rewrites a remedy for a configuration with a mistake: mend that first, before
// running a command that reads the file and before changing anything else in it.
func Mended(remedy string) string {
	if strings.HasPrefix(remedy, MendFirst) {
		return remedy
	}
	remedy = orWrite().ReplaceAllString(remedy, "$1")
	if readsFile().MatchString(remedy) || writesFile().MatchString(remedy) {
		return MendFirst + seeThatItHas(remedy)
	}
	return remedy
}

// TakenOver rewrites a remedy for a file that the agent refuses: nothing written into that
// file counts.
func TakenOver(remedy string) string {
	if strings.HasPrefix(remedy, TakeFirst) {
		return remedy
	}
	if remedy = orWrite().ReplaceAllString(remedy, "$1"); writesFile().MatchString(remedy) {
		return TakeFirst + remedy
	}
	return remedy
}

// ByTheFile rewrites a remedy for a valid file that is refused, or not taken over yet: what
// the remedy says to write may be there already.
func ByTheFile(remedy string, file *config.Config, refused bool) string {
	switch {
	case file != nil && inTheFile(*file, remedy) && (refused || strings.HasPrefix(remedy, TakeFirst)):
		return strings.TrimSuffix(TakeFirst, ", then ")
	case file != nil && inTheFile(*file, remedy):
		return "run \"voipbl reload\""
	case refused:
		return TakenOver(remedy)
	}
	return remedy
}

// Mended rewrites all remedies of the report for a configuration with a mistake; see [Mended].
func (r *Report) Mended() { r.remedies(Mended) }

// remedies replaces each remedy of the report by what of makes of it.
func (r *Report) remedies(of func(string) string) {
	r.Problem, r.Obstacles, r.Families = withRemedies(of, r.Problem, r.Obstacles, r.Families)
	for i := range r.Closed {
		r.Closed[i].Remedy = of(r.Closed[i].Remedy)
	}
}

// ByTheFile rewrites all remedies of the report for a file that is not in force; see
// [ByTheFile].
func (r *Report) ByTheFile(file config.Config) {
	r.remedies(func(remedy string) string { return ByTheFile(remedy, &file, false) })
}

// Remedies replaces each remedy of the status by what of makes of it.
func (s *Status) Remedies(of func(string) string) {
	s.Problem, s.Obstacles, s.Families = withRemedies(of, s.Problem, s.Obstacles, s.Families)
}

// withRemedies returns copies with other remedies. The originals keep theirs.
func withRemedies(of func(string) string, p *problem.Problem, obstacles []reach.Obstacle, families []problem.FamilyProblem) (*problem.Problem, []reach.Obstacle, []problem.FamilyProblem) {
	if p != nil {
		p = &problem.Problem{Reason: p.Reason, Error: p.Error, Remedy: of(p.Remedy)}
	}
	obstacles, families = slices.Clone(obstacles), slices.Clone(families)
	for i := range obstacles {
		obstacles[i].Remedy = of(obstacles[i].Remedy)
	}
	for i := range families {
		families[i].Remedy = of(families[i].Remedy)
	}
	return p, obstacles, families
}
