package known

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/checksum"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/pbx"
)

const (
	// trunkGrace is how long a provider counts after the PBX has told of it last: a registration
	// may be refused for days.
	trunkGrace = 7 * 24 * time.Hour

	// MostTrunks is how many providers count: those at which the PBX was registered last.
	MostTrunks = 64
)

// Trunk is a provider at which the PBX itself is registered, or that it knows by its address alone. Only
// the configuration of the PBX makes one, so unlike a phone it is never banned.
type Trunk struct {
	Host    string        `json:"host"`              // a name or an address, as that configuration has it
	Account string        `json:"account,omitempty"` // whom the PBX is registered as; "" if it is not
	Since   time.Time     `json:"since"`             // when it first was
	Left    time.Duration `json:"left"`              // from the list's Written to the end of its time, in nanoseconds

	// Addrs are the addresses of the host; those of a name are as they were resolved last.
	Addrs []netip.Addr `json:"addrs"`
}

// Name returns the host if it is a name, else "".
func (t Trunk) Name() string {
	if _, err := netip.ParseAddr(t.Host); err == nil {
		return ""
	}
	return t.Host
}

// Last returns when the PBX was seen to be registered there last, in a list that is written at a moment.
func (t Trunk) Last(written deadline.Clock) time.Time {
	return written.Wall.Add(t.Left - trunkGrace).UTC().Truncate(time.Second)
}

// Trunks is one version of the list of providers. The zero value is empty and was never written.
type Trunks struct {
	Serial  int64          `json:"serial"` // grows with each change
	Written deadline.Clock `json:"written"`
	All     []Trunk        `json:"trunks"` // by host
}

// trunkFile is the list as JSON.
type trunkFile struct {
	Trunks
	Sum string `json:"sum"` // checksum of the rest
}

func (t Trunks) encode() trunkFile {
	t.Written = t.Written.UTC()
	if t.All == nil {
		t.All = []Trunk{}
	}
	return trunkFile{t, checksum.Of(t)}
}

func (f trunkFile) decode() (Trunks, error) {
	switch {
	case f.Sum != checksum.Of(f.Trunks):
		return Trunks{}, errSum
	case len(f.All) > MostTrunks:
		return Trunks{}, errors.New("it has too many trunks")
	}
	return f.Trunks, nil
}

// At returns the list at a later moment, without trunks whose time is over.
func (t Trunks) At(now deadline.Clock) Trunks {
	passed := now.Passed(t.Written)
	all := make([]Trunk, 0, len(t.All))
	for _, trunk := range t.All {
		trunk.Left -= passed
		if trunk.Left > 0 {
			all = append(all, trunk)
		}
	}
	t.All, t.Written = all, now
	return t
}

// TrunksPath is the agent's path for trunks: POST a [TrunkRequest], get a [TrunkAnswer].
const TrunksPath = "/trunks"

// TrunkRequest tells the agent where the PBX is registered.
type TrunkRequest struct {
	Trunks []SeenTrunk `json:"trunks"`
}

// TrunkAnswer is the result of a TrunkRequest. Hosts that cannot be trunks are left out.
type TrunkAnswer struct {
	Problem string `json:"problem,omitempty"` // what could not be done; the rest was, unless Undone
	Undone  bool   `json:"undone,omitempty"`  // nothing was done: it is to be asked again
}

func (r TrunkRequest) check() error {
	if len(r.Trunks) > MostTrunks {
		return fmt.Errorf("%d trunks are more than %d", len(r.Trunks), MostTrunks)
	}
	return nil
}

// SeenTrunk is a host at which the PBX is registered now, by its own configuration.
type SeenTrunk struct {
	Host    string `json:"host"` // a name or an address
	Account string `json:"account,omitempty"`
}

// host returns the host in one spelling. What is no single host, or has no address that can be
// blocked, is none.
func (s SeenTrunk) host() (string, bool) {
	h, err := config.ParseHost(s.Host)
	switch {
	case err != nil || s.Host != pbx.Text(s.Host) || s.Account != pbx.Text(s.Account):
		return "", false
	case h.Name != "":
		name := strings.TrimSuffix(h.Name, ".")
		return name, name != "localhost"
	case !h.Prefix.IsSingleIP():
		return "", false
	}
	_, never := cidr.FindNeverBanned(cidr.FromNetip(h.Prefix))
	return h.String(), !never
}

// with returns the list with trunks that were seen now, and whether there are other hosts than before.
func (t Trunks) with(seen []SeenTrunk, now deadline.Clock) (next Trunks, changed bool) {
	next = t.At(now)
	for _, s := range seen {
		host, ok := s.host()
		if !ok {
			continue
		}
		at, found := slices.BinarySearchFunc(next.All, host, func(t Trunk, host string) int { return cmp.Compare(t.Host, host) })
		if !found {
			one := Trunk{Host: host, Since: now.Wall.UTC().Truncate(time.Second), Addrs: []netip.Addr{}}
			if one.Name() == "" {
				one.Addrs = []netip.Addr{netip.MustParseAddr(host)}
			}
			next.All = slices.Insert(next.All, at, one)
		}
		next.All[at].Account, next.All[at].Left = s.Account, trunkGrace
	}
	if len(next.All) > MostTrunks {
		slices.SortStableFunc(next.All, func(a, b Trunk) int { return cmp.Compare(b.Left, a.Left) })
		next.All = next.All[:MostTrunks]
		slices.SortFunc(next.All, func(a, b Trunk) int { return cmp.Compare(a.Host, b.Host) })
	}
	return next, !slices.EqualFunc(t.All, next.All, func(a, b Trunk) bool { return a.Host == b.Host })
}

// without returns the list without a host, or whoever has that address, and what was taken off.
func (t Trunks) without(host string) (next Trunks, gone []Trunk) {
	if one, ok := (SeenTrunk{Host: host}).host(); ok {
		host = one
	}
	next, next.All = t, nil
	for _, trunk := range t.All {
		if trunk.Host == host || slices.ContainsFunc(trunk.Addrs, func(a netip.Addr) bool { return a.String() == host }) {
			gone = append(gone, trunk)
		} else {
			next.All = append(next.All, trunk)
		}
	}
	return next, gone
}

// at returns the list with the addresses of names. A name that is not among them keeps its own.
func (t Trunks) at(addrs map[string][]netip.Addr) (next Trunks, changed bool) {
	next = t
	next.All = slices.Clone(t.All)
	for i, trunk := range next.All {
		if found := addrs[trunk.Host]; trunk.Name() != "" && len(found) > 0 && !slices.Equal(found, trunk.Addrs) {
			next.All[i].Addrs, changed = slices.Clone(found), true
		}
	}
	return next, changed
}

// same reports whether two lists have the same trunks.
func (t Trunks) same(o Trunks) bool {
	return slices.EqualFunc(t.All, o.All, func(a, b Trunk) bool {
		return a.Host == b.Host && a.Account == b.Account && slices.Equal(a.Addrs, b.Addrs)
	})
}

// unlimited returns, by address, how long the limits of base rules do not apply to it.
func (t Trunks) unlimited() map[netip.Addr]time.Duration {
	all := make(map[netip.Addr]time.Duration)
	for _, trunk := range t.All {
		for _, a := range trunk.Addrs {
			all[a] = max(all[a], trunk.Left)
		}
	}
	return all
}
