package ipsetsync

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// maxelemKnown is more than the addresses of registered phones that are kept. It differs from
// that of fail2ban's sets, which have the same type, so that neither is taken for the other.
const maxelemKnown = 1 << 17

// CheckKnownSet returns a [*ForeignKnownSetError] if h is not a set of registered phones as
// voipbl makes it. Rules let its members in, so they must not name another program's set.
func CheckKnownSet(h Header, f cidr.Family) error {
	why := ""
	switch {
	case h.Type != typeHashIP || h.Family != f:
		why = fmt.Sprintf("it is a %s of %s, and a hash:ip of %s is needed", h.Type, h.Family, f)
	case !h.Timeout:
		why = "its entries cannot expire"
	case h.Netmask != 0:
		why = "its entries are networks"
	case h.Forceadd:
		why = "it drops entries when it is full (forceadd)"
	case h.Counters || h.Comment || h.Skbinfo:
		why = "it has extensions that ours has not"
	case h.Maxelem != maxelemKnown:
		why = fmt.Sprintf("its maxelem is %d, not %d", h.Maxelem, maxelemKnown)
	default:
		return nil
	}
	return &ForeignKnownSetError{h, why}
}

// ForeignKnownSetError is returned for a set with the name of the set of registered phones that
// voipbl has not made.
type ForeignKnownSetError struct {
	Header Header
	Why    string
}

func (e *ForeignKnownSetError) Error() string {
	return fmt.Sprintf("the set %s is not one that voipbl made for registered phones: %s", e.Header.Name, e.Why)
}

// Remedy returns what to do about it.
func (e *ForeignKnownSetError) Remedy() string {
	return "choose another name with \"known_set:\", or take out what uses that set, and then the set (\"ipset destroy " + e.Header.Name + "\")"
}

// EnsureKnownSet makes the set of registered phones if there is none of that name.
func (k *Kernel) EnsureKnownSet(name string, f cidr.Family) (made bool, err error) {
	h, err := k.Header(name)
	if errors.Is(err, ErrNotFound) {
		err = k.op("create", name, createKnownRequest(name, f))
		if made = err == nil; made || errors.Is(err, errExists) { // another process may have made it meanwhile
			h, err = k.Header(name)
		}
	}
	if err == nil {
		err = CheckKnownSet(h, f)
	}
	return made, err
}

func createKnownRequest(name string, f cidr.Family) request {
	e := newEncoder(familyNumber(f), smallMessage)
	e.str(attrSetname, name)
	e.str(attrTypename, typeHashIP)
	e.u8(attrRevision, 0) // every kernel has it, and its entries can expire
	e.u8(attrFamily, familyNumber(f))
	data := e.open(attrData)
	e.be32(attrMaxelem, maxelemKnown)
	e.be32(attrTimeout, 0)
	e.close(data)
	return request{cmdCreate, unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL, e.b}
}

// Known reads a set of registered phones with the remaining time of its entries. It returns
// [ErrNotFound] if there is no such set, and a [*ForeignKnownSetError] if another program has
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
