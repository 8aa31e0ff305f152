package beat

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fleet"
)

// State is what is most wrong with a host.
type State string

// The states of a host, the worst first.
const (
	Unprotected  State = "unprotected"
	StillHere    State = "still-here" // it is revoked, and connected or heard all the same
	NoAnswer     State = "no-agent"
	Silent       State = "silent"
	NeverSeen    State = "never-seen"
	SameName     State = "same-name"
	Drifted      State = "drifted"
	OldList      State = "stale"
	BehindOthers State = "behind"
	WrongClock   State = "wrong-clock"
	OtherVersion State = "other-version"
	Trouble      State = "trouble"
	Fine         State = "fine"
	Revoked      State = "revoked"
	Unknown      State = "unknown" // the hub does not answer
)

// States are all of them, the worst first. Those from Fine on need no look.
var States = []State{
	Unprotected, StillHere, NoAnswer, Silent, NeverSeen, SameName, Drifted, OldList, BehindOthers, WrongClock, OtherVersion, Trouble, Fine, Revoked, Unknown,
}

// Bad reports whether a host in this state needs a look.
func (s State) Bad() bool { return s != Fine && s != Revoked && s != Unknown }

const (
	// SilentAfter is after how long without a heartbeat a host is silent: it sends one each minute.
	SilentAfter = 3 * time.Minute

	// behindAfter is how long a message may be unread: a host that was away reads all in seconds.
	behindAfter = 30 * time.Second

	// driftedAfter is how many repairs an hour are too many: one or two are somebody's mistake, or Docker's start.
	driftedAfter = 3

	// clockAfter is how many seconds a clock may be wrong: logs, and times that people see, are wrong by as much.
	clockAfter = 60

	// handedOver is how long before a host was revoked its last heartbeat may have come after all: the two
	// times are of different clocks of the hub, and a connection takes a moment to be cut off.
	handedOver = time.Minute
)

// Host is what the hub knows of one.
type Host struct {
	Name      fleet.Name
	Revoked   time.Time // when its last key was; zero: it has one that is not
	Connected bool      // the hub's server has a connection of it now

	At     time.Time // when the hub got its last heartbeat; zero: never
	Odd    bool      // that cannot be read
	Beat   Beat
	Missed time.Time // when the hub got the first message that the host had not read by then; zero: it had read all

	Document uint64 // the serial of the operator's document that it was to have by then; 0: none
}

// Verdict is how a host is.
type Verdict struct {
	State State
	Why   []string // in words, the worst first
}

// finding is one thing that is wrong.
type finding struct {
	state State
	why   string
}

// Judge returns how a host is by the hub's clock. usual is the version that most hosts have.
func Judge(h Host, usual string, now time.Time) Verdict {
	all := findings(h, usual, now)
	slices.SortStableFunc(all, func(a, b finding) int {
		return cmp.Compare(slices.Index(States, a.state), slices.Index(States, b.state))
	})
	if len(all) == 0 {
		all = []finding{{state: Fine}}
	}
	v := Verdict{State: all[0].state, Why: []string{}}
	for _, f := range all {
		if f.why != "" && !slices.Contains(v.Why, f.why) {
			v.Why = append(v.Why, f.why)
		}
	}
	return v
}

func findings(h Host, usual string, now time.Time) (all []finding) {
	add := func(s State, format string, args ...any) { all = append(all, finding{s, fmt.Sprintf(format, args...)}) }
	since := now.Sub(h.At)
	heard := !h.At.IsZero() && since < SilentAfter
	if !h.Revoked.IsZero() {
		switch {
		case h.Connected:
			add(StillHere, "it is revoked, and connected")
		case heard && h.At.After(h.Revoked.Add(handedOver)):
			add(StillHere, "it was revoked before its last heartbeat")
		default:
			add(Revoked, "")
		}
		return all
	}
	switch {
	case h.At.IsZero() && h.Connected:
		add(NeverSeen, "it is connected and sends no heartbeat: its voipbl is older")
	case h.At.IsZero():
		add(NeverSeen, "it has not joined, has never reached the hub, or not since the hub lost its store")
	case !heard && h.Connected:
		add(Silent, "it is connected; %s", lastWords(h))
	case !heard:
		add(Silent, "it is not connected; %s", lastWords(h))
	case h.Odd:
		add(Trouble, "its heartbeat cannot be read")
	}
	if !heard || h.Odd {
		return all
	}
	b := h.Beat
	for _, p := range b.Problems {
		add(stateOf(p), "%s", Words(p))
	}
	switch {
	case !b.Agent:
		add(NoAnswer, "%s", Words(NoAgent))
	case !b.Protected && !slices.ContainsFunc(b.Problems, func(p string) bool { return stateOf(p) == Unprotected }):
		add(Unprotected, "it says so, and not why")
	}
	if b.Repairs >= driftedAfter {
		add(Drifted, "%d repairs in 1 h", b.Repairs)
	}
	if !h.Missed.IsZero() && h.At.Sub(h.Missed) > behindAfter {
		add(BehindOthers, "it reads nothing since %s before its heartbeat", h.At.Sub(h.Missed).Round(time.Second))
	}
	if b.Clock > clockAfter || b.Clock < -clockAfter {
		way := "ahead"
		if b.Clock < 0 {
			way = "behind"
		}
		add(WrongClock, "its clock is %s %s", time.Duration(min(max(b.Clock, -b.Clock), mostSeconds))*time.Second, way)
	}
	switch {
	case b.Document >= h.Document, slices.Contains(b.Problems, Document): // which says so
	case b.Document == 0:
		add(Trouble, "it has no document of the operator")
	default:
		add(Trouble, "it has an older document of the operator")
	}
	if usual != "" && b.Version != usual {
		add(OtherVersion, "it runs %s, most run %s", cmp.Or(b.Version, "an unknown version"), usual)
	}
	return all
}

// lastWords says how a host was when it was heard last.
func lastWords(h Host) string {
	switch {
	case h.Odd:
		return "its last heartbeat could not be read"
	case !h.Beat.Agent:
		return "last: " + Words(NoAgent)
	case h.Beat.Protected:
		return "last: protected"
	}
	return "last: not protected"
}

// stateOf is the state of a host that has a problem.
func stateOf(word string) State {
	switch word {
	case RulesUnread, NoDrop, NoSet, ForeignSet, Empty, Emptied:
		return Unprotected
	case NoAgent:
		return NoAnswer
	case Twin:
		return SameName
	case Rules, SetsOther:
		return Drifted
	case Stale:
		return OldList
	}
	return Trouble
}

// Usual is the version that most hosts have of those that have said so lately; of several, the largest by its
// text, so that it is the same each time.
func Usual(all []Host, now time.Time) (version string) {
	count := make(map[string]int)
	for _, h := range all {
		if h.Revoked.IsZero() && !h.Odd && h.Beat.Version != "" && now.Sub(h.At) < SilentAfter {
			count[h.Beat.Version]++
		}
	}
	for v, n := range count {
		if n > count[version] || n == count[version] && v > version {
			version = v
		}
	}
	return version
}

// Words is how people see a state.
func (s State) Words() string { return strings.ReplaceAll(string(s), "-", " ") }
