package ipsetsync

import (
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// The ban set holds this host's own bans: a hash:net whose entries may expire. It is
// changed entry by entry, not by a swap, so that a ban need not wait until all others
// are written again.
const (
	// maxelemOwnBans is more than the bans can ever need, even if each is cut into
	// pieces around exempt addresses. It costs no memory.
	maxelemOwnBans = 1 << 18

	// MaxTimeout is the longest time that the kernel takes for an entry, 24 days
	// (ip_set_timeout.h: IPSET_MAX_TIMEOUT, in seconds). An entry that is to stay
	// longer gets no time in the kernel; voipbl removes it when its time is over.
	MaxTimeout = 2147483 * time.Second

	// timeoutSlack is how much the kernel's time of an entry may differ from the
	// desired one before it is renewed: the two round differently.
	timeoutSlack = 3 * time.Second
)

// Forever is the time of an entry that does not expire.
const Forever time.Duration = 0

// Timed maps the entries of a ban set to the time that each is to stay, or [Forever].
type Timed map[cidr.Prefix]time.Duration

// kernelTimeout returns the time that the kernel is given for an entry: whole seconds,
// at least one; none beyond MaxTimeout.
func kernelTimeout(left time.Duration) time.Duration {
	if left == Forever || left > MaxTimeout {
		return Forever
	}
	return max(left.Round(time.Second), time.Second)
}

// OwnBans reads a ban set with the remaining time of its entries. Exceptions (nomatch)
// block nothing and are listed separately.
func (k *Kernel) OwnBans(name string) (*Live, Timed, error) {
	var entries Timed
	var counts []Count
	var exceptions []cidr.Prefix
	live, err := k.list("list", name, listRequest(name), listing{
		entries: true,
		visit: func(e entry) {
			if e.nomatch {
				exceptions = append(exceptions, e.count.Prefix)
				return
			}
			entries[e.count.Prefix] = e.timeout
			if e.count.Packets != 0 || e.count.Bytes != 0 {
				counts = append(counts, e.count)
			}
		},
		again: func() { entries, counts, exceptions = make(Timed), nil, nil },
	})
	if err != nil {
		return nil, nil, err
	}
	live.Prefixes, live.Counts = slices.Collect(maps.Keys(entries)), counts
	live.NoMatch, live.Exceptions = len(exceptions), exceptions
	live.sort()
	return live, entries, nil
}

// BanPlan is the changes that make a ban set hold the desired entries.
type BanPlan struct {
	Name   string
	Family cidr.Family
	Add    []Timeout     // entries that are missing, or have the wrong time
	Delete []cidr.Prefix // entries that are not desired

	Missing int // entries of Add that are not in the set
}

// Timeout is one entry of a ban set with its remaining time.
type Timeout struct {
	Prefix cidr.Prefix
	Left   time.Duration // or [Forever]
}

// NewBanPlan compares the desired entries of a ban set with the live ones.
func NewBanPlan(name string, f cidr.Family, desired, live Timed) *BanPlan {
	p := &BanPlan{Name: name, Family: f}
	for prefix, left := range desired {
		want := kernelTimeout(left)
		have, found := live[prefix]
		if found && (want == Forever) == (have == Forever) && (want-have).Abs() <= timeoutSlack {
			continue
		}
		if !found && (want == Forever || want > timeoutSlack) { // otherwise it is about to end
			p.Missing++
		}
		p.Add = append(p.Add, Timeout{prefix, want})
	}
	for prefix, have := range live {
		// An entry that ends within timeoutSlack is left to the kernel.
		if _, wanted := desired[prefix]; !wanted && (have == Forever || have > timeoutSlack) {
			p.Delete = append(p.Delete, prefix)
		}
	}
	return p
}

// Unchanged reports whether there is nothing to do.
func (p *BanPlan) Unchanged() bool { return len(p.Add)+len(p.Delete) == 0 }

// ExecuteBans carries out a plan: it adds entries first, then deletes.
func (k *Kernel) ExecuteBans(p *BanPlan) error {
	if err := k.Ban(p.Name, p.Add); err != nil {
		return err
	}
	return k.Unban(p.Name, p.Delete)
}

// Ban adds entries to a ban set, and renews the time of those that it holds already.
// Entries added before a refused one stay.
func (k *Kernel) Ban(name string, entries []Timeout) error {
	at := func(i int) cidr.Prefix { return entries[i].Prefix }
	return k.changeBans(cmdAdd, "add", name, len(entries), at, func(e *encoder, i int) {
		e.be32(attrTimeout, uint32(kernelTimeout(entries[i].Left)/time.Second))
	})
}

// Unban removes entries from a ban set; a missing entry is no error.
func (k *Kernel) Unban(name string, entries []cidr.Prefix) error {
	at := func(i int) cidr.Prefix { return entries[i] }
	return k.changeBans(cmdDel, "del", name, len(entries), at, func(*encoder, int) {})
}

// changeBans sends the entries in as few messages as possible.
func (k *Kernel) changeBans(cmd uint8, op, name string, n int, at func(int) cidr.Prefix, more func(*encoder, int)) error {
	for i := 0; i < n; {
		e := newEncoder(unix.AF_INET, smallMessage)
		e.str(attrSetname, name)
		e.u32(attrLineno, 0) // the kernel writes the number of the refused entry here
		adt := e.open(attrADT)
		for ; i < n && len(e.b)-adt+maxEntryBytes <= nlaMaxValueBytes; i++ {
			p := at(i)
			data := e.open(attrData)
			e.address(p)
			e.u8(attrCIDR, p.Bits())
			more(e, i)
			e.u32(attrCADTLineno, uint32(i))
			e.close(data)
		}
		e.close(adt)
		// Without NLM_F_EXCL adding an existing entry renews it, and deleting a missing
		// one is no error.
		if err := k.do(request{cmd, unix.NLM_F_ACK, e.b}, nil); err != nil {
			opErr := &opError{Op: op, Set: name, Err: err}
			var refused *refusal
			if errors.As(err, &refused) {
				if i, ok := decodeLineno(refused.echo); ok && i < n {
					opErr.Entry = at(i).String()
				}
			}
			return opErr
		}
	}
	return nil
}

// BanNew adds the entries that a ban set does not hold yet, and returns them. It does
// not change the time of the others.
func (k *Kernel) BanNew(name string, entries []Timeout) (made []cidr.Prefix, err error) {
	for _, t := range entries {
		e := newEncoder(unix.AF_INET, smallMessage)
		e.str(attrSetname, name)
		data := e.open(attrData)
		e.address(t.Prefix)
		e.u8(attrCIDR, t.Prefix.Bits())
		e.be32(attrTimeout, uint32(kernelTimeout(t.Left)/time.Second))
		e.close(data)
		err := k.do(request{cmdAdd, unix.NLM_F_ACK | unix.NLM_F_EXCL, e.b}, nil)
		switch {
		case err == nil:
			made = append(made, t.Prefix)
		case !errors.Is(err, errExists):
			return made, &opError{Op: "add", Set: name, Entry: t.Prefix.String(), Err: err}
		}
	}
	return made, nil
}
