package dns

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// MaxAddresses is the most addresses of one family that a name may stand for at a time.
// Round-robin names of providers have up to a dozen; more is a mistake, or somebody who
// wants out of the list.
const MaxAddresses = 64

// Address is one that a name has stood for.
type Address struct {
	Addr      netip.Addr `json:"addr"`
	FirstSeen time.Time  `json:"first_seen"`
	LastSeen  time.Time  `json:"last_seen"`

	// Missing is for how long the name has answered without it. Time in which the name
	// was not asked, or did not answer, hardly counts.
	Missing time.Duration `json:"missing,omitempty"`
}

// Known is what is known of a name.
type Known struct {
	Addresses []Address `json:"addresses"`
	At        time.Time `json:"at"`                // the last good answer
	Servers   bool      `json:"servers,omitempty"` // it has SRV records
	Failed    *Failure  `json:"failed,omitempty"`  // since then
	Moved     *Move     `json:"moved,omitempty"`   // the last one, while what it left is still known
}

// Failure is a name that does not resolve, or not as a whole.
type Failure struct {
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
	NoHost bool      `json:"no_host"` // it answers with what is no host's address
}

// Move is an answer that had nothing in common with what was known of a name.
type Move struct {
	At time.Time    `json:"at"`
	To []netip.Addr `json:"to"`
}

// Addrs are the addresses in order.
func (k Known) Addrs() []netip.Addr {
	addrs := make([]netip.Addr, 0, len(k.Addresses))
	for _, a := range k.Addresses {
		addrs = append(addrs, a.Addr)
	}
	return addrs
}

// Newest are at most so many addresses of each family, those that were seen last.
func (k Known) Newest(most int) Known {
	k.Addresses = first(k.Addresses, most, newest)
	return k
}

// Left are the addresses that the last answer did not have.
func (k Known) Left() []netip.Addr {
	var left []netip.Addr
	for _, a := range k.Addresses {
		if !a.LastSeen.Equal(k.At) {
			left = append(left, a.Addr)
		}
	}
	return left
}

// Last is what is known but for what the last answer did not have.
func (k Known) Last() Known {
	k.Addresses = slices.DeleteFunc(slices.Clone(k.Addresses), func(a Address) bool { return !a.LastSeen.Equal(k.At) })
	return k
}

// UnmarshalJSON also reads what versions before wrote, which kept the last answer only.
// What is no host's address is left out, whoever wrote it.
func (k *Known) UnmarshalJSON(text []byte) error {
	type known Known
	var file struct {
		known
		Addrs []netip.Addr `json:"addrs"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	*k = Known(file.known)
	for _, a := range file.Addrs {
		k.Addresses = append(k.Addresses, Address{Addr: a.Unmap().WithZone(""), FirstSeen: k.At, LastSeen: k.At})
	}
	k.Addresses = slices.DeleteFunc(k.Addresses, func(a Address) bool { return !a.Addr.IsValid() || Why(a.Addr) != "" })
	k.Addresses = bounded(k.Addresses, k.At)
	return nil
}
