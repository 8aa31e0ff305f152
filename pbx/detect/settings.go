package detect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// Settings say when a source is banned, and for how long.
type Settings struct {
	// Wrong passwords of a stranger: within seconds, in an hour, in a day.
	AtOnce, InHour, InDay int

	// Requests that name an unknown account, faster than one in five seconds, once these have gone on for
	// two seconds; other requests, faster than one in a second. As many with an unknown account are too many
	// at once.
	Unknown, Requests int

	BanTimes    []time.Duration // of the first ban, the second, and so on; the last one repeats
	Forget      time.Duration   // after a ban has ended, until it does not count any more
	UnprovedFor time.Duration   // how long a ban lasts for what is not proved
	UnprovedMax int             // how many of these there are in a minute at most

	Traps Traps
}

// Traps are what no phone asks for.
type Traps struct {
	Extensions []string // numbers called
	Accounts   []string
	Agents     []string // parts of a User-Agent, in any case
}

// Defaults returns the settings that the package's comment describes.
func Defaults() Settings {
	return Settings{
		AtOnce: 3, InHour: 10, InDay: 20,
		Unknown: 10, Requests: 60,
		BanTimes:    []time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour},
		Forget:      14 * 24 * time.Hour,
		UnprovedFor: 10 * time.Minute,
		UnprovedMax: 60,
		Traps:       Traps{Agents: []string{"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "pplsip", "VaxSIPUserAgent", "siparmyknife", "sip-scan"}},
	}
}

// Limits of settings.
const (
	shortestBan = time.Minute
	longestBan  = 30 * 24 * time.Hour // the agent takes no longer ones
	mostCounts  = 1000
	mostTraps   = 2000 // of a kind: config.MaxTraps, and those of Defaults
	shortAgent  = 4    // letters; fewer are in the names of phones too
)

// Validate returns what is wrong with settings, if anything.
func (s Settings) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, c := range []struct {
		name  string
		value int
	}{{"at once", s.AtOnce}, {"in an hour", s.InHour}, {"in a day", s.InDay}, {"unknown accounts", s.Unknown}, {"requests", s.Requests}} {
		wrong(c.value < 2 || c.value > mostCounts, "%s: expected 2 to %d, not %d", c.name, mostCounts, c.value)
	}
	wrong(s.InHour < s.AtOnce || s.InDay < s.InHour, "expected as many in a day as in an hour or more, and there as at once or more, not %d, %d and %d", s.InDay, s.InHour, s.AtOnce)
	wrong(len(s.BanTimes) == 0, "expected a ban time")
	for i, t := range s.BanTimes {
		wrong(t < shortestBan || t > longestBan, "ban time %s: expected %s to %s", t, shortestBan, longestBan)
		wrong(i > 0 && t < s.BanTimes[i-1], "ban time %s: expected as long as the one before, or longer", t)
	}
	wrong(s.Forget < 0 || s.Forget > longestBan, "forget %s: expected 0 to %s", s.Forget, longestBan)
	wrong(s.UnprovedFor < shortestBan || s.UnprovedFor > 24*time.Hour, "ban time %s of what is not proved: expected %s to 24h", s.UnprovedFor, shortestBan)
	wrong(s.UnprovedMax < 0 || s.UnprovedMax > mostCounts, "bans in a minute for what is not proved: expected 0 to %d, not %d", mostCounts, s.UnprovedMax)
	for _, traps := range [][]string{s.Traps.Extensions, s.Traps.Accounts, s.Traps.Agents} {
		wrong(len(traps) > mostTraps, "expected %d traps at most, not %d", mostTraps, len(traps))
		for _, t := range traps {
			wrong(t == "" || pbx.Text(t) != t, "trap %q: expected 1 to %d bytes of printable text", pbx.Text(t), pbx.MaxText)
		}
	}
	for _, t := range s.Traps.Agents {
		wrong(len(t) < shortAgent, "trap %q: expected at least %d letters, since it counts as a part of what programs are called", pbx.Text(t), shortAgent)
	}
	return errors.Join(errs...)
}

// traps are Traps, to be asked quickly.
type traps struct {
	extensions, accounts map[string]bool
	agents               []string // in lower case
}

func newTraps(t Traps) traps {
	set := func(texts []string) map[string]bool {
		m := make(map[string]bool, len(texts))
		for _, s := range texts {
			m[s] = true
		}
		return m
	}
	out := traps{extensions: set(t.Extensions), accounts: set(t.Accounts)}
	for _, a := range t.Agents {
		out.agents = append(out.agents, strings.ToLower(a))
	}
	return out
}

// caught says which trap an observation is in, "" if in none. It has no text of a stranger.
func (t traps) caught(o pbx.Observation) string {
	switch {
	case t.extensions[o.Called]:
		return "asked for " + o.Called + ", a trap"
	case t.accounts[o.Account]:
		return "used account " + o.Account + ", a trap"
	case o.Agent == "":
		return ""
	}
	agent := strings.ToLower(o.Agent)
	for _, a := range t.agents {
		if strings.Contains(agent, a) {
			return "its program is " + a + ", a trap"
		}
	}
	return ""
}
