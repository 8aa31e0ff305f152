package bans

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/state"
)

// This file is the list of vetoes: whom an admin has unbanned here, the fleet does not ban here for a
// day, whatever other hosts say.

// VetoesFile is the name of the list in the state folder. It is changed under state.BansLock.
const VetoesFile = "vetoes"

const (
	// vetoFor is how long a veto lasts.
	vetoFor = 24 * time.Hour

	// mostVetoes is how many vetoes there may be: as many as the fleet may have bans here.
	mostVetoes = 30_000
)

// vetoes are the vetoes of this host. The zero value has not been read.
type vetoes struct {
	seen fetch.FileState                // the file as it was last read or written
	ends map[netip.Prefix]time.Duration // by what is not banned, in [banlist.Clock.Up]
}

// vetoFile is the file. Its times are what is left in seconds, when it was written.
type vetoFile struct {
	Written deadline.Clock       `json:"written"`
	Left    map[netip.Prefix]int `json:"left"`
	Sum     string               `json:"sum"` // checksum of the rest
}

// sum returns the checksum of a file.
func (f vetoFile) sum() string {
	f.Sum = ""
	return checksum.Of(f)
}

var errVetoSum = errors.New("it is not as it was written")

// vetoable returns what a veto for a prefix is against; ok is false for a network.
func vetoable(p netip.Prefix) (wide netip.Prefix, ok bool) {
	if !p.IsSingleIP() && (p.Addr().Is4() || p.Bits() != pbx.SourceBits6) {
		return netip.Prefix{}, false
	}
	return aroundOne(p.Addr())
}

// vetoed reports whether there is a veto against a ban of the fleet, as far as the list has been read.
func (b *Book) vetoed(p netip.Prefix, now banlist.Clock) bool {
	ends, found := b.vetoes.ends[p]
	return found && ends > now.Up
}

// readVetoes reads the list if it has changed since it was read. The caller holds state.BansLock.
func (b *Book) readVetoes(now banlist.Clock) {
	store, err := state.FindStore(b.Cfg)
	if store == nil || err != nil {
		return // what is known still counts
	}
	defer store.Close()
	seen, err := store.JSONState(VetoesFile)
	if err != nil || seen == b.vetoes.seen {
		return
	}
	var f vetoFile
	err = store.ReadJSON(VetoesFile, &f)
	if err == nil && f.Sum != f.sum() {
		err = &fetch.DamagedError{Path: VetoesFile + ".json", Why: errVetoSum.Error()}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case state.IsDamaged(err):
		b.vetoes.seen = seen
		b.notes = append(b.notes, "the list of unbanned addresses that the fleet may not ban is damaged, so those in it may be banned: "+problem.Line(err))
		return
	case err != nil:
		return
	}
	b.vetoes = vetoes{seen, make(map[netip.Prefix]time.Duration, len(f.Left))}
	passed := now.Passed(f.Written)
	for p, seconds := range f.Left {
		if left := min(time.Duration(seconds)*time.Second, vetoFor) - passed; left > 0 {
			b.vetoes.ends[p] = now.Up + left
		}
	}
}

// noteVetoes makes or ends the vetoes of a request, which a person makes by taking bans back, and ends by
// making one. It returns notes for that person.
func (b *Book) noteVetoes(r banRequest, removed []Ban, now banlist.Clock) (notes []string) {
	if !r.ByHand || !b.Cfg.Fleet.On() {
		return nil
	}
	var against, not []netip.Prefix
	for _, w := range r.Add {
		if p, ok := vetoable(w.Prefix); ok {
			not = append(not, p)
		}
	}
	if r.Remove != nil {
		for _, p := range r.Remove.Prefixes {
			if p, ok := vetoable(p); ok {
				against = append(against, p)
			}
		}
		for _, ban := range removed {
			if ban.Reason == FleetReason {
				against = append(against, ban.Prefix)
			}
		}
		slices.SortFunc(against, netip.Prefix.Compare)
		against = slices.Compact(against)
	}
	changed, err := b.changeVetoes(against, not, now)
	switch {
	case len(against) == 0 && (err == nil || !changed):
		return nil
	case len(against) == 0:
		return []string{"that the fleet may ban it again is not written down: " + problem.Line(err)}
	}
	note := fmt.Sprintf("for %.0f hours the fleet does not ban %s here, whatever other hosts say; \"voipbl ban\" ends that", vetoFor.Hours(), prefixesWords(against))
	if err != nil {
		note += ". That is not written down, so that a restart forgets it: " + problem.Line(err)
	}
	return []string{note}
}

func prefixesWords(all []netip.Prefix) string {
	if len(all) == 1 {
		return cidr.Text(all[0])
	}
	return fmt.Sprintf("these %d addresses", len(all))
}

// changeVetoes adds and ends vetoes, and writes the list down if it has changed.
func (b *Book) changeVetoes(against, not []netip.Prefix, now banlist.Clock) (changed bool, err error) {
	b.readVetoes(now)
	v := &b.vetoes
	maps.DeleteFunc(v.ends, func(_ netip.Prefix, ends time.Duration) bool { return ends <= now.Up })
	for _, p := range not {
		if _, found := v.ends[p]; found {
			delete(v.ends, p)
			changed = true
		}
	}
	if v.ends == nil {
		v.ends = make(map[netip.Prefix]time.Duration)
	}
	for _, p := range against {
		v.ends[p] = now.Up + vetoFor
		changed = true
	}
	if !changed {
		return false, nil
	}
	v.bound()
	f := vetoFile{Written: now.UTC(), Left: make(map[netip.Prefix]int, len(v.ends))}
	for p, ends := range v.ends {
		f.Left[p] = int((ends - now.Up + time.Second - 1) / time.Second)
	}
	f.Sum = f.sum()
	store, err := fetch.OpenStore(b.Cfg.StateDir)
	if err != nil {
		return true, err
	}
	defer store.Close()
	if err := store.WriteJSON(VetoesFile, f); err != nil {
		return true, err
	}
	v.seen, err = store.JSONState(VetoesFile)
	return true, err
}

// bound drops the vetoes that end soonest if there are too many.
func (v *vetoes) bound() {
	if len(v.ends) <= mostVetoes {
		return
	}
	all := slices.SortedFunc(maps.Keys(v.ends), func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(v.ends[a], v.ends[b]), a.Compare(b))
	})
	for _, p := range all[:len(all)-mostVetoes] {
		delete(v.ends, p)
	}
}
