package dns

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// MaxAddresses is the most addresses of one family that a name may have at a time.
// Round-robin names of providers have up to a dozen; more are a mistake, or the work of
// an attacker who wants to be exempt.
const MaxAddresses = 64

// Address is an address that a name has or had.
type Address struct {
	Addr      netip.Addr `json:"addr"`
	FirstSeen time.Time  `json:"first_seen"`
	LastSeen  time.Time  `json:"last_seen"`

	// Missing is for how long the name's answers have lacked the address. Time without
	// questions or answers hardly counts.
	Missing time.Duration `json:"missing,omitempty"`
}

// Known is the history of a name: its current and earlier addresses.
type Known struct {
	Addresses []Address `json:"addresses"`
	At        time.Time `json:"at"`                // when the last good answer came
	Servers   bool      `json:"servers,omitempty"` // it has SRV records
	Failed    *Failure  `json:"failed,omitempty"`  // set if it has failed since then
	Moved     *Move     `json:"moved,omitempty"`   // the last move, while the addresses from before are still known
}

// Failure is why a name does not resolve, or only in part.
type Failure struct {
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
	NoHost bool      `json:"no_host"` // the answer was an address that no host can have
}

// Move is an answer without any address that was known before.
type Move struct {
	At time.Time    `json:"at"`
	To []netip.Addr `json:"to"`
}

// Addrs returns the addresses in order.
func (k Known) Addrs() []netip.Addr {
	addrs := make([]netip.Addr, 0, len(k.Addresses))
	for _, a := range k.Addresses {
		addrs = append(addrs, a.Addr)
	}
	return addrs
}

// Newest returns k with at most that many addresses of each family, those seen last.
func (k Known) Newest(most int) Known {
	k.Addresses = first(k.Addresses, most, newest)
	return k
}

// Left returns the addresses that were not in the last answer.
func (k Known) Left() []netip.Addr {
	var left []netip.Addr
	for _, a := range k.Addresses {
		if !a.LastSeen.Equal(k.At) {
			left = append(left, a.Addr)
		}
	}
	return left
}

// Last returns k with only the addresses of the last answer.
func (k Known) Last() Known {
	k.Addresses = slices.DeleteFunc(slices.Clone(k.Addresses), func(a Address) bool { return !a.LastSeen.Equal(k.At) })
	return k
}

// UnmarshalJSON also reads the format of earlier versions, which kept only the last
// answer. It drops addresses that no host can have.
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
	k.Addresses = slices.DeleteFunc(k.Addresses, func(a Address) bool { return !a.Addr.IsValid() || whyNoHost(a.Addr) != "" })
	k.Addresses = bounded(k.Addresses, k.At)
	return nil
}
