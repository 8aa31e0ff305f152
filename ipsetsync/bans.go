package ipsetsync

import (
	"errors"
	"fmt"

	"github.com/voipbl/voipbl/cidr"
)

// The sets in this file are filled by fail2ban. Rules refer to them, so they must exist
// before fail2ban's first ban. They are made exactly as fail2ban's action
// iptables-ipset makes them ("hash:ip timeout 0"), so that fail2ban's own "create
// -exist" and its timed bans succeed: the kernel takes two sets for the same if type,
// family, maxelem, timeout and extensions agree.
const (
	typeHashIP = "hash:ip"

	// maxelemBans is the kernel's default (ip_set.h: IPSET_DEFAULT_MAXELEM).
	maxelemBans = 65536
)

// byFail2ban is what fail2ban makes. Every kernel has its revision 0, and its entries can expire.
var byFail2ban = timedKind{typ: typeHashIP, maxelem: maxelemBans}

// EnsureBanSet makes a set for fail2ban if there is none of that name, and reports
// whether it did. An existing set is left unchanged, whoever made it. One of the other
// family is an error, because no rule of this family can refer to it.
func (k *Kernel) EnsureBanSet(name string, f cidr.Family) (made bool, err error) {
	err = k.op("create", name, createTimedRequest(byFail2ban, name, f, 0))
	if err == nil || !errors.Is(err, errExists) {
		return err == nil, err
	}
	// A list:set has the family of its members.
	h, err := k.Header(name)
	if err == nil && h.Family != f && h.Type != typeListSet {
		err = &opError{Op: "use", Set: name, Err: fmt.Errorf("%w: it is a %s of %s, and %s is needed", errMismatch, h.Type, h.Family, f)}
	}
	return false, err
}

// RemoveBanSet removes a set of fail2ban's if it is empty and nothing refers to it. It
// reports whether it removed the set and whether the set stays; both are false if there is
// no such set.
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
		return false, false, nil // fail2ban has removed it when it stopped
	case errors.Is(err, errBusy):
		return false, true, nil // in use since the check
	}
	return err == nil, false, err
}

// Bans reads a set of addresses or networks that fail2ban fills.
func (k *Kernel) Bans(name string) (*Live, error) {
	live, err := k.list("list", name, listRequest(name), listing{entries: true, bans: true})
	if err != nil {
		return nil, err
	}
	live.sort()
	return live, nil
}

// BanSets returns the headers of the sets with a wanted name, of those types that
// [Kernel.Bans] reads. It does not look at other sets, which may be large.
func (k *Kernel) BanSets(wanted func(name string) bool) (found []Header, err error) {
	names, err := k.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !wanted(name) {
			continue
		}
		h, err := k.Header(name)
		switch {
		case errors.Is(err, ErrNotFound): // removed meanwhile
		case err != nil:
			return nil, err
		case h.Type == typeHashIP, h.Type == TypeHashNet:
			found = append(found, h)
		}
	}
	return found, nil
}
