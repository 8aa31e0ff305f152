package detect

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// Sizes of the tables.
const (
	maxProved   = 12 << 10 // a botnet, whose addresses take turns
	maxPast     = 12 << 10
	maxUnproved = 8 << 10
	maxRates    = 2 << 10
	maxWrong    = 1 << 10 // sites where something is wrong
	maxNetworks = 1 << 10
)

// inFlight is for how long after a ban its source may still be seen: packets that the PBX had before
// the ban, and their answers. Whoever is seen later is not banned in the kernel (any more).
const inFlight = 5 * time.Second

// lag is how late an observation may be. It counts for when it was made, lest what has waited look
// like a burst.
const lag = 10 * time.Minute

// moment is a time of the detector's own clock, which is never set back.
type moment time.Duration

func (m moment) add(d time.Duration) moment   { return m + moment(d) }
func (m moment) since(o moment) time.Duration { return time.Duration(m - o) }

// Detector makes verdicts of observations. See the package's comment for its rules. Its methods
// must not be called at the same time.
type Detector struct {
	settings Settings
	friend   func(netip.Addr) bool
	traps    traps
	seed     maphash.Seed

	wall  time.Time // of the last call
	now   moment
	swept moment

	proved   table[source, stranger]
	unproved table[source, stranger]
	rates    table[source, rate]
	past     table[source, past]
	networks table[source, network]
	phones   phones
	wrong    table[source, wrong]
	doubted  table[source, doubted]

	unprovedBans bucket // those of late
	unprovedLast moment
}

// New returns a detector. friend says whether an address is never to be banned, whatever it does; it
// is asked before each ban.
func New(s Settings, friend func(netip.Addr) bool) *Detector {
	return &Detector{
		settings: s, friend: friend, traps: newTraps(s.Traps), seed: maphash.MakeSeed(),
		now:    moment(2 * lag), // so that no observation is at 0
		proved: newTable[source, stranger](maxProved), unproved: newTable[source, stranger](maxUnproved), rates: newTable[source, rate](maxRates),
		past: newTable[source, past](maxPast), networks: newTable[source, network](maxNetworks), phones: newPhones(), wrong: newTable[source, wrong](maxWrong), doubted: newTable[source, doubted](maxWrong),
	}
}

// past is what is remembered of bans of a source for what was proved.
type past struct {
	banned moment // when the last one began; 0 if there was none
	until  moment
	times  int
	told   moment // when the admin was told that it is spared; 0 if never
}

// See takes an observation in and returns what follows from it. now is the time of the call, by
// [time.Now]; if its clock is set, nothing changes. If two sources of observations watch the same
// PBX, the failures over TCP and its like should come from one of them only.
func (d *Detector) See(now time.Time, o pbx.Observation) []Verdict {
	d.tick(now)
	o.Source = netip.AddrPortFrom(o.Source.Addr().Unmap().WithZone(""), o.Source.Port())
	if !possible(o.Source.Addr()) {
		return nil
	}
	e := event{Observation: o, source: sourceOf(o.Source.Addr()), at: d.now, account: d.hash(o.Account)}
	if late := now.Sub(o.At); !o.At.IsZero() && late > 0 {
		e.at = d.now.add(-min(late, lag))
	}
	if p := d.past.peek(e.source); p != nil && p.banned != 0 && e.at.since(p.banned) < inFlight {
		return nil
	}
	switch o.What {
	case pbx.Registered, pbx.Authenticated, pbx.Unregistered:
		return append(d.right(e), d.trappedFriend(e)...)
	case pbx.WrongPassword, pbx.UnknownAccount, pbx.Refused, pbx.Asked, pbx.Scanned, pbx.Malformed:
	default:
		return nil
	}
	if d.phones.here.has(e.source) {
		if e.Proved && e.What == pbx.WrongPassword {
			return d.wrongAtSite(e)
		}
		if e.What == pbx.WrongPassword {
			return d.doubt(e)
		}
		return d.trappedFriend(e)
	}
	d.asked(e)
	trap := d.traps.caught(o)
	if o.Proved && (trap != "" || counts(o.What)) {
		return d.strange(e, trap)
	}
	return d.rated(e, trap)
}

// event is an observation, with what the detector makes of it.
type event struct {
	pbx.Observation
	source  source
	account uint32 // hash of Account
	at      moment
}

// counts reports whether a kind counts against a stranger by itself. The others count by their rate: who
// names an account that does not exist may be a provider that calls or asks whether the PBX is there.
func counts(w pbx.What) bool { return w == pbx.WrongPassword || w == pbx.Refused }

// possible reports whether an address can be that of a stranger.
func possible(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast()
}

// hash returns the hash of a text. Strangers do not know the seed.
func (d *Detector) hash(s string) uint32 { return uint32(maphash.String(d.seed, s)) }

// longestStep is the most that the time goes on at once: all is forgotten before that, and no clock can
// be set so often that the time overflows.
const longestStep = 60 * 24 * time.Hour

// tick lets the time of the detector go on. A clock that is set back lets it stand still once.
func (d *Detector) tick(now time.Time) {
	if !d.wall.IsZero() {
		d.now = d.now.add(min(max(0, now.Sub(d.wall)), longestStep))
	}
	d.wall = now
	if d.now.since(d.swept) >= sweepEvery {
		d.swept = d.now
		d.sweep()
	}
}

// who is banned, as far as it is known.
type who int

const (
	guesser    who = iota
	maybePhone     // it behaves like a phone with a wrong password
	anOffice       // most of those there are honest
)

// The longest bans of others than guessers.
const (
	hourBan = time.Hour
	dayBan  = 24 * time.Hour // of what may be a phone
	patient = 6              // bans of it before one lasts longer than an hour
)

// most returns the longest ban of a source that was banned some times before.
func (w who) most(times int) time.Duration {
	switch {
	case w == guesser:
		return longestBan
	case w == maybePhone && times >= patient:
		return dayBan
	default:
		return hourBan
	}
}

// ban returns the ban of a source for what is proved.
func (d *Detector) ban(e event, reason string, evidence Evidence, w who) Ban {
	p := d.past.get(e.source)
	if p.banned != 0 && d.now > p.until.add(d.settings.Forget) {
		p.times = 0
	}
	// Whoever is here while the ban should last was let in by somebody, or the ban failed.
	if d.now < p.until {
		p.times--
	}
	times := d.settings.BanTimes
	last := min(times[min(p.times, len(times)-1)], max(w.most(p.times), times[0]))
	p.times++
	p.banned, p.until = d.now, d.now.add(last)
	d.proved.remove(e.source)
	d.unproved.remove(e.source)
	d.rates.remove(e.source)
	d.note(e.source, d.now)
	return Ban{Addr: e.Source.Addr(), For: last, Reason: reason + ", proved", Proved: true, Evidence: evidence}
}

// returns reports whether a source was banned before, and how that is not forgotten.
func (d *Detector) returns(s source) bool {
	p := d.past.peek(s)
	return p != nil && p.banned != 0 && d.now <= p.until.add(d.settings.Forget)
}

// spare returns what an admin should know of a source that is never banned, but does what others
// are banned for.
func (d *Detector) spare(e event, reason string) []Verdict {
	p := d.past.get(e.source)
	if p.told != 0 && d.now.since(p.told) < 24*time.Hour {
		return nil
	}
	p.told = d.now
	a := e.Source.Addr()
	return []Verdict{Tell{Addr: a, Account: e.Account, Text: a.String() + " is not banned, but others would be for what it does: " + reason}}
}

// trappedFriend returns what an admin should know of a phone in a trap: a misdialled number, or a
// stolen password.
func (d *Detector) trappedFriend(e event) []Verdict {
	trap := d.traps.caught(e.Observation)
	if trap == "" || !e.Proved {
		return nil
	}
	return d.spare(e, trap)
}

// bucket is a number that counts up, and runs down with time.
type bucket float64

// add runs a bucket down by the time that has passed, and adds to it.
func (b *bucket) add(n float64, passed time.Duration, perSecond float64) {
	*b = max(0, *b-bucket(max(0, passed).Seconds()*perSecond)) + bucket(n)
}

// full reports whether n have come faster than the bucket runs down. It leaves room for what has run
// out while they came.
func (b bucket) full(n int) bool { return float64(b) >= float64(n)-0.5 }
