package ipsetsync

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// A ban set is one that fail2ban fills: rules refer to it, so it must exist before
// fail2ban has banned anybody. It is a hash:ip whose entries may expire, made just
// as fail2ban's action iptables-ipset makes it ("hash:ip timeout 0"), so that
// fail2ban's own "create -exist" and its timed bans succeed: the kernel calls two
// sets the same if type, family, maxelem, timeout and extensions agree.
const (
	typeHashIP = "hash:ip"

	// maxelemBans is the kernel's default (ip_set.h: IPSET_DEFAULT_MAXELEM).
	maxelemBans = 65536
)

// EnsureBanSet makes the set if there is none of that name, and says so. A set
// that is there is left as it is, whoever made it; one of the other family is an
// error, since no rule of this family can refer to it.
func (k *Kernel) EnsureBanSet(name string, f cidr.Family) (made bool, err error) {
	err = k.op("create", name, createBansRequest(name, f))
	if err == nil || !errors.Is(err, ErrExists) {
		return err == nil, err
	}
	// A list:set has no family of its own: it takes what its members are.
	h, err := k.Header(name)
	if err == nil && h.Family != f && h.Type != typeListSet {
		err = &OpError{Op: "use", Set: name, Err: fmt.Errorf("%w: it is a %s of %s, and %s is needed", ErrMismatch, h.Type, h.Family, f)}
	}
	return false, err
}

// RemoveBanSet removes a ban set that nothing refers to and that is empty. It says whether
// it did, and whether the set stays; of one that is not there neither is so.
func (k *Kernel) RemoveBanSet(name string) (removed, stays bool, err error) {
	h, err := k.Header(name)
	if err == nil && (h.Elements > 0 || h.References > 0) {
		return false, true, nil
	}
	if err == nil {
		err = patient(func() error { return k.Destroy(name) })
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return false, false, nil // fail2ban takes its sets out when it stops
	case errors.Is(err, ErrBusy):
		return false, true, nil // somebody has begun to use it
	}
	return err == nil, false, err
}

func createBansRequest(name string, f cidr.Family) request {
	e := newEncoder(familyNumber(f), smallMessage)
	e.str(attrSetname, name)
	e.str(attrTypename, typeHashIP)
	e.u8(attrRevision, 0) // every kernel has it, and it can expire entries
	e.u8(attrFamily, familyNumber(f))
	data := e.open(attrData)
	e.be32(attrTimeout, 0)
	e.be32(attrMaxelem, maxelemBans)
	e.close(data)
	return request{cmdCreate, unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL, e.b}
}

// Bans reads a set that fail2ban fills, of addresses or of networks.
func (k *Kernel) Bans(name string) (*Live, error) {
	live, err := k.list("list", name, listRequest(name), listing{entries: true, bans: true})
	if err != nil {
		return nil, err
	}
	live.sort()
	return live, nil
}

// BanSets are the headers of all sets of a type that [Kernel.Bans] reads.
func (k *Kernel) BanSets() ([]Header, error) {
	var answer listing
	if err := k.do(headerRequest(""), answer.add); err != nil {
		return nil, &OpError{Op: "list", Err: err}
	}
	var found []Header
	for _, live := range answer.sets {
		if live.Type == typeHashIP || live.Type == TypeHashNet {
			found = append(found, live.Header)
		}
	}
	return found, nil
}
