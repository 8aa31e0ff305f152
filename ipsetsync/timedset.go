package ipsetsync

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// timedKind is a kind of set whose entries may expire: voipbl's own, and those that it makes for fail2ban.
type timedKind struct {
	typ      string
	maxelem  uint32
	counters bool
	of, key  string // what it holds, for people, and the key of the configuration that names it
}

var (
	ownBans = timedKind{typ: TypeHashNet, maxelem: maxelemOwnBans, counters: true, of: "bans", key: "ban_set"}
	known   = timedKind{typ: typeHashIP, maxelem: maxelemKnown, of: "registered phones and trunks", key: "known_set"}
)

// CheckBanSet returns a [*ForeignSetError] if h is not a ban set as voipbl makes it.
func CheckBanSet(h Header, f cidr.Family) error { return ownBans.check(h, f) }

// CheckKnownSet returns a [*ForeignSetError] if h is not a set of registered phones as voipbl makes it.
// Rules let its members in, so they must not name another program's set.
func CheckKnownSet(h Header, f cidr.Family) error { return known.check(h, f) }

// EnsureOwnBanSet makes the ban set if there is none of that name.
func (k *Kernel) EnsureOwnBanSet(name string, f cidr.Family) (made bool, err error) {
	return k.ensureTimed(ownBans, name, f, k.revision[f])
}

// EnsureKnownSet makes the set of registered phones if there is none of that name.
func (k *Kernel) EnsureKnownSet(name string, f cidr.Family) (made bool, err error) {
	return k.ensureTimed(known, name, f, 0)
}

func (k *Kernel) ensureTimed(kind timedKind, name string, f cidr.Family, revision uint8) (made bool, err error) {
	h, err := k.Header(name)
	if errors.Is(err, ErrNotFound) {
		err = k.op("create", name, createTimedRequest(kind, name, f, revision))
		if made = err == nil; made || errors.Is(err, errExists) { // another process may have made it meanwhile
			h, err = k.Header(name)
		}
	}
	if err == nil {
		err = kind.check(h, f)
	}
	return made, err
}

func (kind timedKind) check(h Header, f cidr.Family) error {
	why := ""
	switch {
	case h.Type != kind.typ || h.Family != f:
		why = fmt.Sprintf("it is a %s of %s, and a %s of %s is needed", h.Type, h.Family, kind.typ, f)
	case !h.Timeout:
		why = "its entries cannot expire"
	case !h.Counters && kind.counters:
		why = "it has no counters"
	case h.Netmask != 0:
		why = "its entries are networks"
	case h.Forceadd:
		why = "it drops entries when it is full (forceadd)"
	case h.Counters && !kind.counters || h.Comment || h.Skbinfo:
		why = "it has extensions that ours has not"
	case h.Maxelem != kind.maxelem:
		why = fmt.Sprintf("its maxelem is %d, not %d", h.Maxelem, kind.maxelem)
	default:
		return nil
	}
	return &ForeignSetError{h, why, kind}
}

// ForeignSetError is returned for a set with the name of a set of bans or of registered phones that
// voipbl has not made.
type ForeignSetError struct {
	Header Header
	Why    string
	kind   timedKind
}

func (e *ForeignSetError) Error() string {
	return fmt.Sprintf("the set %s is not one that voipbl made for %s: %s", e.Header.Name, e.kind.of, e.Why)
}

// Remedy returns what to do about it.
func (e *ForeignSetError) Remedy() string {
	return fmt.Sprintf("choose another name with \"%s:\", or take out what uses that set, and then the set (\"ipset destroy %s\")", e.kind.key, e.Header.Name)
}

// createTimedRequest creates a set whose entries may expire.
func createTimedRequest(kind timedKind, name string, f cidr.Family, revision uint8) request {
	e := newEncoder(familyNumber(f), smallMessage)
	e.str(attrSetname, name)
	e.str(attrTypename, kind.typ)
	e.u8(attrRevision, revision)
	e.u8(attrFamily, familyNumber(f))
	data := e.open(attrData)
	e.be32(attrTimeout, 0)
	e.be32(attrMaxelem, kind.maxelem)
	if kind.counters {
		e.be32(attrCADTFlags, flagWithCounters)
	}
	e.close(data)
	return request{cmdCreate, unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL, e.b}
}
