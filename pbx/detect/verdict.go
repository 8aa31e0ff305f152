package detect

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// Verdict is what follows from observations: a [Ban], [Trust], [Untrust] or [Tell].
type Verdict interface {
	String() string // for the journal: one line
	verdict()
}

// Ban says that an address is to be banned. In IPv6, what counts is its network /64.
type Ban struct {
	Addr     netip.Addr
	For      time.Duration
	Reason   string // at most 120 bytes, without any text of strangers
	Proved   bool   // all that counts here is proved
	Evidence Evidence
}

// Evidence is what has been counted against a source.
type Evidence struct {
	Counts   map[pbx.What]int
	Accounts int           // how many were tried, ten at most; 0 if not counted
	In       time.Duration // from the first to the last
}

// Trust says that a phone is at an address, by its password, from now on. A phone that is known
// makes none when it proves its password again: see [Detector.Renewed].
type Trust struct{ Phone }

// Untrust says that all phones of a network are not trusted any more.
type Untrust struct {
	Network netip.Prefix
	Why     string
}

// Tell is what an admin should know. It is said once a day for each address or account.
type Tell struct {
	Addr    netip.Addr
	Account string // of a stranger, by [pbx.Text]
	Text    string
}

func (Ban) verdict()     {}
func (Trust) verdict()   {}
func (Untrust) verdict() {}
func (Tell) verdict()    {}

func (b Ban) String() string { return fmt.Sprintf("ban %s for %s: %s", b.Addr, short(b.For), b.Reason) }
func (t Trust) String() string {
	return fmt.Sprintf("phone %s is at %s", t.Account, t.Addr)
}

func (u Untrust) String() string {
	where := u.Network.String()
	if u.Network.IsSingleIP() {
		where = u.Network.Addr().String()
	}
	return fmt.Sprintf("no more trust in %s: %s", where, u.Why)
}
func (t Tell) String() string { return t.Text }

// tallied are the kinds that are counted, with their words.
var tallied = [...]struct {
	what      pbx.What
	one, more string
}{
	{pbx.WrongPassword, "wrong password", "wrong passwords"},
	{pbx.UnknownAccount, "unknown account", "unknown accounts"},
	{pbx.Refused, "refusal", "refusals"},
	{pbx.Asked, "challenged request", "challenged requests"},
	{pbx.Scanned, "scan", "scans"},
	{pbx.Malformed, "unreadable packet", "unreadable packets"},
}

// tally counts what a source has done.
type tally struct {
	counts      [len(tallied)]uint16
	first, last uint32 // to the nearest second
}

func (t *tally) add(w pbx.What, at moment) {
	second := seconds(at.add(time.Second / 2))
	if t.counts == ([len(tallied)]uint16{}) {
		t.first, t.last = second, second
	}
	t.first, t.last = min(t.first, second), max(t.last, second)
	if k := kindOf(w); k > 0 && t.counts[k-1] < ^uint16(0) {
		t.counts[k-1]++
	}
}

// kindOf returns a number for each kind that is counted, and 0 for the others.
func kindOf(w pbx.What) uint8 {
	for i := range tallied {
		if tallied[i].what == w {
			return uint8(i + 1)
		}
	}
	return 0
}

func (t *tally) evidence(accounts int) Evidence {
	e := Evidence{Counts: make(map[pbx.What]int), Accounts: accounts, In: time.Duration(t.last-t.first) * time.Second}
	for i, n := range t.counts {
		if n > 0 {
			e.Counts[tallied[i].what] = int(n)
		}
	}
	return e
}

// Failures is how many attempts were counted. To be asked for a password is none.
func (e Evidence) Failures() (n int) {
	for _, k := range tallied {
		if k.what != pbx.Asked {
			n += e.Counts[k.what]
		}
	}
	return n
}

// String is what was counted, as "3 wrong passwords for 2 accounts in 2 s".
func (e Evidence) String() string {
	var parts []string
	for _, k := range tallied {
		switch n := e.Counts[k.what]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+k.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, k.more))
		}
	}
	text := strings.Join(parts[:min(len(parts), 2)], ", ") // the worst come first
	if e.Accounts > 1 {
		text += fmt.Sprintf(" for %d accounts", e.Accounts)
	}
	return text + " in " + short(max(e.In, time.Second))
}

// short returns a time in its largest unit.
func short(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if n := (d + u.unit/2) / u.unit; d >= u.unit {
			return fmt.Sprintf("%d %s", n, u.name)
		}
	}
	return fmt.Sprintf("%d s", (d+time.Second/2)/time.Second)
}
