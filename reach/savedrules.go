package reach

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/setnames"
)

// SavedTrouble is a file of saved rules that the next boot cannot load, or that would bring back
// what was removed. One rule that names a missing set makes the whole file fail.
type SavedTrouble struct {
	File    string `json:"file"`
	Line    int    `json:"line"`          // the first such line
	Lines   int    `json:"lines"`         // how many such lines there are
	Set     string `json:"set,omitempty"` // the set that the line names
	Returns bool   `json:"returns"`       // the set is saved too, so that it comes back
	Why     string `json:"why"`           // why the set will not exist then
}

func (s SavedTrouble) String() string {
	names, more := "a chain of voipbl's", ""
	if s.Set != "" {
		names = "the set " + s.Set
	}
	if s.Lines > 1 {
		more = fmt.Sprintf(" and %d more", s.Lines-1)
	}
	becomes := "the next boot would load no rule of that file"
	if s.Returns {
		becomes = "the next boot would bring it back as it was saved"
	}
	return fmt.Sprintf("%s line %d%s has %s, %s: %s", s.File, s.Line, more, names, s.Why, becomes)
}

// Remedy says what to do about it.
func (s SavedTrouble) Remedy() string {
	take := fmt.Sprintf("take what names it out of %s", s.File)
	if filepath.Dir(s.File) == "/etc/iptables" {
		// Rules that failed to load at the last boot are not in the kernel, so saving would lose them.
		return take + "; or, if the kernel has all else that is in it, netfilter-persistent save"
	}
	return take
}

// SavedAfterRemoval returns the saved rules that name what a removal takes out.
func SavedAfterRemoval(lines []host.SavedLine, cfg config.Config) []SavedTrouble {
	own := OwnSetNames(cfg)
	names, _ := setnames.KnownNames(cfg, setnames.ReadSetNames(cfg)) // Remove reports why names are not known
	for _, set := range setnames.FormerSets(cfg, names) {
		own = append(own, set.Name)
	}
	return SavedTroubles(lines, func(l host.SavedLine, set string) string {
		switch {
		case slices.Contains(own, set) || l.Ours:
			return "which is gone"
		case l.Action && set != "":
			return "which nothing creates at boot any more"
		}
		return ""
	})
}

// SavedRenamed returns voipbl's own saved rules that name sets which voipbl no longer fills,
// because the configuration has other names.
func SavedRenamed(lines []host.SavedLine, cfg config.Config) []SavedTrouble {
	own := append(OwnSetNames(cfg), ruleset.BanSetName(iptables.IPv4), ruleset.BanSetName(iptables.IPv6))
	return SavedTroubles(lines, Since("which voipbl no longer fills", func(l host.SavedLine, set string) bool {
		return l.Ours && set != "" && !slices.Contains(own, set)
	}))
}

// SavedUnmade returns the saved rules that name sets of voipbl which nothing creates before the
// rules are loaded: neither voipbl's unit nor a file of saved sets.
func SavedUnmade(lines []host.SavedLine, cfg config.Config) []SavedTrouble {
	own := OwnSetNames(cfg)
	all := SavedTroubles(lines, Since("which nothing creates before that", func(l host.SavedLine, set string) bool {
		return slices.Contains(own, set) || l.Action && set != ""
	}))
	return slices.DeleteFunc(all, func(s SavedTrouble) bool { return s.Returns })
}

// OwnSetNames returns the names of voipbl's own sets.
func OwnSetNames(cfg config.Config) []string {
	var names []string
	for _, f := range cidr.Families {
		names = append(names, cfg.SetName(int(f)), cfg.BanSetName(int(f)))
	}
	return names
}

// Since gives one reason for all lines for which is returns true.
func Since(why string, is func(l host.SavedLine, set string) bool) func(l host.SavedLine, set string) string {
	return func(l host.SavedLine, set string) string {
		if is(l, set) {
			return why
		}
		return ""
	}
}

// SavedTroubles returns one trouble for each file with a line for which why returns a reason.
// For a line without a set, why gets an empty one.
func SavedTroubles(lines []host.SavedLine, why func(l host.SavedLine, set string) string) []SavedTrouble {
	var made []string
	for _, l := range lines {
		made = append(made, l.Makes)
	}
	var found []SavedTrouble
	for _, l := range lines {
		sets := l.Sets
		if l.Makes != "" {
			sets = append(slices.Clone(sets), l.Makes)
		}
		if len(sets) == 0 {
			sets = []string{""}
		}
		at := slices.IndexFunc(sets, func(set string) bool { return why(l, set) != "" })
		if at < 0 {
			continue
		}
		if n := len(found); n > 0 && found[n-1].File == l.File {
			found[n-1].Lines++
			if found[n-1].Set == "" && sets[at] != "" { // a line with a set says more, and may come later
				found[n-1].Line, found[n-1].Set, found[n-1].Returns = l.Line, sets[at], slices.Contains(made, sets[at])
				found[n-1].Why = why(l, sets[at])
			}
			continue
		}
		found = append(found, SavedTrouble{File: l.File, Line: l.Line, Lines: 1, Set: sets[at], Returns: sets[at] == "" || slices.Contains(made, sets[at]), Why: why(l, sets[at])})
	}
	return found
}
