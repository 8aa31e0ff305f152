package fleet

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
	"unique"
)

// Heard is what all hosts have said, this one included. Its times are by a clock that nobody sets: this
// host's uptime. It takes 32 bytes for each ban of each host.
type Heard struct {
	hosts []host
	index map[Name]int // in hosts
	sites map[string]int

	statements int // of all hosts
	reasons    reasons
	ignored    uint64

	latest time.Duration // of all messages
	lost   time.Duration // latest, when the hub last lost its store

	changed []key
	all     bool // changed is not all that has

	asked asked         // of the hosts' answers to the policy
	now   time.Duration // when the hosts were judged
}

// host is one of the fleet.
type host struct {
	name Name
	site int

	// said are its statements by slot and key; ends are where those of each slot end.
	said  []statement
	ends  [Slots]uint32
	heard uint16 // a bit for each slot that the hub has

	trusted bool // with asked.Trust
	revoked bool // with asked.Revoked
	cuts    cuts // with asked.PerHost, asked.Proved and asked.Longest
}

// asked is the part of the policy by which hosts are judged.
type asked struct {
	known bool
	Policy
}

// A hub that lies can say anything of any number of hosts. It fills no memory by that: of more hosts nothing is
// taken, of more statements none, and of more different reasons only that there is one.
const (
	mostHosts      = 20_000
	mostStatements = 500_000 // 16 MB: 500 of 1,000 hosts
	mostReasons    = 10_000
)

// mostChanged is the number of changed addresses from which it is quicker to judge everything.
const mostChanged = 2000

// NewHeard returns one that has heard nothing.
func NewHeard() *Heard {
	return &Heard{index: map[Name]int{}, sites: map[string]int{}, reasons: newReasons(), latest: -never, lost: -never, all: true}
}

// Take takes a host's message for a slot, which the hub has stored at a moment: not later than now.
// It replaces what the host said in that slot before.
func (h *Heard) Take(n Name, slot int, said []Said, at time.Duration) {
	h.TakeMessage(n, slot, Message{Said: said}, at)
}

// TakeMessage is Take for a message that may not be whole: bans that it had no room for are kept.
//
// But what the hub had stored before it lost its store comes from a backup. It is older than what was
// heard, so it takes nothing back: the host will soon say its slot again.
func (h *Heard) TakeMessage(n Name, slot int, m Message, at time.Duration) {
	i, ok := h.host(n)
	if !ok {
		h.ignored++
		return
	}
	h.hosts[i].heard |= 1 << slot
	now := make([]statement, 0, len(m.Said))
	for _, s := range m.Said {
		if st, ok := h.stated(s, at); ok && SlotOf(s.Addr) == slot {
			now = append(now, st)
		}
	}
	slices.SortStableFunc(now, byKey)
	now = slices.CompactFunc(now, func(a, b statement) bool { return a.key == b.key })
	from, to := h.hosts[i].slot(slot)
	if room := mostStatements - h.statements + to - from; len(now) > room {
		h.ignored++
		now = now[:max(room, 0)]
	}
	missing := merging{old: at <= h.lost, whole: -never, at: at}
	if m.Whole > 0 {
		missing.whole = at - m.Whole + jitter
	}
	h.replace(i, slot, now, missing)
	h.latest = max(h.latest, at)
}

// Carry takes a ban that is in force here from before, and the hosts that have said it. It counts as
// said by them until they say the slot again. What they have said already counts before that.
func (h *Heard) Carry(by []Name, s Said, now time.Duration) {
	st, ok := h.stated(s, now)
	if !ok {
		return
	}
	slot := SlotOf(s.Addr)
	for _, n := range by {
		i, ok := h.host(n)
		if !ok || h.statements >= mostStatements {
			h.ignored++
			continue
		}
		from, to := h.hosts[i].slot(slot)
		at, found := slices.BinarySearchFunc(h.hosts[i].said[from:to], st, byKey)
		if found {
			continue
		}
		h.statements++
		before := h.hosts[i].cuts
		h.hosts[i].said = slices.Insert(h.hosts[i].said, from+at, st)
		for s := slot; s < Slots; s++ {
			h.hosts[i].ends[s]++
		}
		h.change(st.key)
		h.recut(i, before)
	}
}

// NewStream says that the hub has lost its store, or has an older one. What was heard counts until its
// host says the slot again, or it ends.
func (h *Heard) NewStream() {
	h.lost = h.latest
	for i := range h.hosts {
		h.hosts[i].heard = 0
	}
}

// Ignored counts messages of which not all was taken, since there is too much.
func (h *Heard) Ignored() uint64 { return h.ignored }

// Hosts returns how many hosts other than this one have bans at the hub, as far as these have been read. A host that
// is revoked has none.
func (h *Heard) Hosts(self Name) (n int) {
	for i := range h.hosts {
		if h.hosts[i].name != self && h.bans(i) > 0 {
			n++
		}
	}
	return n
}

// Bans returns how many bans these are, each host's counted.
func (h *Heard) Bans(self Name) (n int) {
	for i := range h.hosts {
		if h.hosts[i].name != self {
			n += h.bans(i)
		}
	}
	return n
}

// bans is how many bans a host has at the hub.
func (h *Heard) bans(i int) (n int) {
	for slot := range Slots {
		if h.hosts[i].heard>>slot&1 == 1 {
			from, to := h.hosts[i].slot(slot)
			n += to - from
		}
	}
	return n
}

// Changed returns the addresses of which something else may count now than at the last Changed or
// [Heard.Believed]; all, if that may be any. What ends as time passes is not named, nor what another
// policy changes.
func (h *Heard) Changed(now time.Duration) (addrs []netip.Addr, all bool) {
	h.tick(now)
	slices.Sort(h.changed)
	for _, k := range slices.Compact(h.changed) {
		addrs = append(addrs, k.addr())
	}
	all = h.all
	h.unchanged()
	if all {
		return nil, true
	}
	return addrs, false
}

func (h *Heard) unchanged() { h.changed, h.all = nil, false }

func (h *Heard) change(k key) {
	switch {
	case h.all:
	case len(h.changed) == mostChanged:
		h.changed, h.all = nil, true
	default:
		h.changed = append(h.changed, k)
	}
}

// host returns the index of a host, which is new if need be; false if there are too many.
func (h *Heard) host(n Name) (int, bool) {
	if i, known := h.index[n]; known {
		return i, true
	}
	if len(h.hosts) >= mostHosts {
		return 0, false
	}
	site, known := h.sites[n.Site()]
	if !known {
		site = len(h.sites)
		h.sites[n.Site()] = site
	}
	i := len(h.hosts)
	h.index[n] = i
	h.hosts = append(h.hosts, host{name: n, site: site})
	if h.asked.known {
		h.judgeHost(i)
	}
	return i, true
}

// slot returns which statements of a host are in a slot.
func (o *host) slot(slot int) (from, to int) {
	if slot > 0 {
		from = int(o.ends[slot-1])
	}
	return from, int(o.ends[slot])
}

// merging is how statements that a message does not have are merged with it.
type merging struct {
	old   bool          // the message is from a backup: it takes none back
	whole time.Duration // of what was made until then, the message may not have all
	at    time.Duration // when the hub stored it
}

// keeps returns a statement as it stays if the message does not have it; false if it is taken back.
func (m merging) keeps(s statement) (statement, bool) {
	switch {
	case m.old:
		return s, true
	case s.made > m.whole || s.end <= m.at:
		return s, false
	}
	r := s.reason.Value()
	if !r.kept {
		r.kept = true
		s.reason = unique.Make(r)
	}
	return s, true
}

// mostKept is how many statements of a slot are kept that a host does not repeat: it would say more and more.
const mostKept = 64

// replace replaces the statements of a host in a slot.
func (h *Heard) replace(i, slot int, now []statement, missing merging) {
	o := &h.hosts[i]
	from, to := o.slot(slot)
	now = h.merge(o.said[from:to], now, missing)
	before := o.cuts
	more := len(now) - (to - from)
	h.statements += more
	if more == 0 {
		copy(o.said[from:to], now)
	} else {
		if n := len(o.said) + more; n > cap(o.said) { // slots come one after the other
			o.said = append(make([]statement, 0, n+n/8), o.said...)
		}
		o.said = slices.Replace(o.said, from, to, now...)
		for s := slot; s < Slots; s++ {
			o.ends[s] = uint32(int(o.ends[s]) + more)
		}
	}
	h.recut(i, before)
}

// merge returns the statements that a slot has after a message, and says which addresses have
// changed. Statements that say the same as before keep their times, so that jitter is no change.
func (h *Heard) merge(before, now []statement, missing merging) []statement {
	merged := make([]statement, 0, len(now))
	kept := 0
	for len(before) > 0 || len(now) > 0 {
		var order int
		switch {
		case len(before) == 0:
			order = 1
		case len(now) == 0:
			order = -1
		default:
			order = cmp.Compare(before[0].key, now[0].key)
		}
		switch {
		case order < 0:
			s, keeps := missing.keeps(before[0])
			if keeps {
				merged = append(merged, s)
			}
			if s.reason.Value().kept {
				kept++
			}
			if !keeps || s != before[0] {
				h.change(s.key)
			}
			before = before[1:]
		case order > 0:
			merged = append(merged, now[0])
			h.change(now[0].key)
			now = now[1:]
		default:
			if before[0].same(now[0]) || missing.old && before[0].end >= now[0].end {
				merged = append(merged, before[0])
			} else {
				merged = append(merged, now[0])
				h.change(now[0].key)
			}
			before, now = before[1:], now[1:]
		}
	}
	if kept > mostKept {
		return h.keepNewest(merged)
	}
	return merged
}

// keepNewest takes the oldest out of those that are kept, if they are too many.
func (h *Heard) keepNewest(all []statement) []statement {
	var places []place
	for _, s := range all {
		if s.reason.Value().kept {
			places = append(places, s.place())
		}
	}
	behind := cutBehind(places, mostKept)
	return slices.DeleteFunc(all, func(s statement) bool {
		out := s.reason.Value().kept && behind.leavesOut(s)
		if out {
			h.change(s.key)
		}
		return out
	})
}

// recut finds out again which statements of a host are too many, and says which addresses have
// changed by that.
func (h *Heard) recut(i int, before cuts) {
	if !h.asked.known {
		return
	}
	o := &h.hosts[i]
	o.cuts = cutAt(o.said, h.asked.Policy, h.now)
	if o.cuts.same(before) {
		return
	}
	for _, s := range o.said {
		if o.cuts.leavesOut(s) != before.leavesOut(s) {
			h.change(s.key)
		}
	}
}

// ask judges the hosts by a policy, if that has not been done.
func (h *Heard) ask(p Policy) {
	a := &h.asked
	if a.known && a.PerHost == p.PerHost && a.Proved == p.Proved && a.Longest == p.Longest &&
		slices.Equal(a.Trust, p.Trust) && slices.Equal(a.Revoked, p.Revoked) {
		return
	}
	h.asked = asked{known: true, Policy: p}
	h.asked.Trust, h.asked.Revoked = slices.Clone(p.Trust), slices.Clone(p.Revoked)
	for i := range h.hosts {
		h.judgeHost(i)
	}
	h.changed, h.all = nil, true
}

func (h *Heard) judgeHost(i int) {
	o := &h.hosts[i]
	o.trusted = h.asked.trusts(o.name)
	o.revoked = slices.Contains(h.asked.Revoked, string(o.name))
	o.cuts = cutAt(o.said, h.asked.Policy, h.now)
}

// tick has what is over by now take no place among the bans of its host that count.
func (h *Heard) tick(now time.Duration) {
	if h.now == now {
		return
	}
	back := now < h.now
	h.now = now
	for i := range h.hosts {
		if o := &h.hosts[i]; o.cuts.until <= now || back && len(o.said) > h.asked.PerHost {
			h.recut(i, o.cuts)
		}
	}
}
