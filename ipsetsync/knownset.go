package ipsetsync

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// maxelemKnown is more than the addresses of registered phones that are kept. It differs from
// that of fail2ban's sets, which have the same type, so that neither is taken for the other.
const maxelemKnown = 1 << 17

// Known reads a set of registered phones with the remaining time of its entries. It returns
// [ErrNotFound] if there is no such set, and a [*ForeignSetError] if another program has
// made it.
func (k *Kernel) Known(name string, f cidr.Family) (Timed, error) {
	var entries Timed
	live, err := k.list("list", name, listRequest(name), listing{
		entries: true, bans: true,
		visit: func(e entry) { entries[e.count.Prefix] = e.timeout },
		again: func() { entries = make(Timed) },
	})
	if err != nil {
		return nil, err
	}
	return entries, CheckKnownSet(live.Header, f)
}

// Has reports whether packets from an address match a set, which an entry for a network around
// it also does. A missing set has nothing.
func (k *Kernel) Has(name string, address cidr.Prefix) (bool, error) {
	e := newEncoder(familyNumber(address.Family()), smallMessage)
	e.str(attrSetname, name)
	data := e.open(attrData)
	e.address(address)
	e.u8(attrCIDR, address.Bits())
	e.close(data)
	err := k.do(request{cmdTest, unix.NLM_F_ACK, e.b}, nil)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errExists), errors.Is(err, ErrNotFound):
		return false, nil
	}
	return false, &opError{Op: "test", Set: name, Entry: address.String(), Err: err}
}
