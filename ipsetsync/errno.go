package ipsetsync

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errors of the kernel, for errors.Is.
var (
	ErrPermission   = errors.New("not permitted")
	ErrNotFound     = errors.New("no such set")
	errExists       = errors.New("a set of that name exists")
	errNoIPSet      = errors.New("the kernel has no ip_set")
	errNoType       = errors.New("the kernel has no set type hash:net with counters")
	errBusy         = errors.New("a rule, a list or another operation uses the set")
	errMismatch     = errors.New("the two sets have different types or families")
	errReferenced   = errors.New("a rule or a list uses the set")
	errFull         = errors.New("the set is full")
	errTooManySets  = errors.New("the kernel can hold no more sets")
	errEntry        = errors.New("the kernel refuses the entry")
	errMemory       = errors.New("the kernel has no memory for it")
	errWrongContent = errors.New("the set does not hold what was put in")
)

// codes maps the kernel's error numbers to errors. The private numbers are from enum
// ipset_errno (linux/netfilter/ipset/ip_set.h) and, from 4352 on, from the hash types
// (ip_set_hash.h).
var codes = map[syscall.Errno]error{
	unix.EPERM:  ErrPermission,
	unix.ENOENT: ErrNotFound,
	unix.EEXIST: errExists,
	unix.ENOMEM: errMemory,
	unix.EBUSY:  errBusy,         // a swap while another process lists one of the sets
	4098:        errNoType,       // IPSET_ERR_FIND_TYPE
	4099:        errTooManySets,  // IPSET_ERR_MAX_SETS
	4100:        errBusy,         // IPSET_ERR_BUSY
	4101:        errExistsOrGone, // IPSET_ERR_EXIST_SETNAME2
	4102:        errMismatch,     // IPSET_ERR_TYPE_MISMATCH
	4103:        errExists,       // IPSET_ERR_EXIST: the entry is in the set
	4104:        errEntry,        // IPSET_ERR_INVALID_CIDR
	4106:        errMismatch,     // IPSET_ERR_INVALID_FAMILY
	4108:        errReferenced,   // IPSET_ERR_REFERENCED
	4109:        errEntry,        // IPSET_ERR_IPADDR_IPV4
	4110:        errEntry,        // IPSET_ERR_IPADDR_IPV6
	4352:        errFull,         // IPSET_ERR_HASH_FULL
	4353:        errEntry,        // IPSET_ERR_HASH_ELEM: a null value
}

// errExistsOrGone is IPSET_ERR_EXIST_SETNAME2: the second set of a swap does not exist,
// or that of a rename does.
var errExistsOrGone = errors.New("the second set of a swap is gone, or the new name of a rename is taken")

var remedies = map[error]string{
	ErrPermission:   "run it as root, or give it CAP_NET_ADMIN in the host's own user namespace",
	ErrNotFound:     "run \"voipbl sync\" to create it",
	errExists:       "another program creates sets of our names at the same time: find it, or choose another name with \"set:\"",
	errExistsOrGone: "run \"voipbl sync\", which looks again: another program has made or removed a set of that name meanwhile",
	errNoIPSet:      "load it with \"modprobe ip_set ip_set_hash_net\"; on Ubuntu's small kernels the modules are in linux-modules-extra; in a container, load it on the host",
	errNoType:       "load it with \"modprobe ip_set_hash_net\"; it needs Linux 3.10 or later",
	errBusy:         "take out the rule or list that uses it (\"iptables-save | grep match-set\", \"ipset list\"); if there is none, try again",
	errMismatch:     "another program holds a set of that name: choose another name with \"set:\", or remove that set",
	errReferenced:   "take out the rule or list that uses it (\"iptables-save | grep match-set\", \"ipset list\"), or choose another name with \"set:\"",
	errFull:         "this is a bug in the size that was asked for: please report it",
	errTooManySets:  "the kernel holds 65534 sets at most: remove unused ones with \"ipset destroy NAME\"",
	errEntry:        "this is a bug in what was sent: please report it",
	errMemory:       "free memory, or use smaller feeds",
	errWrongContent: "another program writes to our temporary set: find it, or choose another name with \"set:\"",
}

// opError is a failed operation on a set.
type opError struct {
	Op    string // "create", "add" …
	Set   string // may be empty
	Entry string // the entry that was refused, if the kernel named one
	Err   error
}

func (e *opError) Error() string {
	s := "ipset " + e.Op
	if e.Set != "" {
		s += " " + e.Set
	}
	if e.Entry != "" {
		s += " " + e.Entry
	}
	return s + ": " + e.Err.Error()
}

func (e *opError) Unwrap() error { return e.Err }

// Remedy returns what to do about it, or "" if that is not known.
func (e *opError) Remedy() string {
	for err, remedy := range remedies {
		if errors.Is(e.Err, err) {
			return remedy
		}
	}
	return ""
}

// fromErrno turns the kernel's error number into an error that wraps the number and, if
// it is known, one of the errors above.
func fromErrno(n syscall.Errno) error {
	if err, ok := codes[n]; ok {
		return fmt.Errorf("%w (error %d)", err, int(n))
	}
	if n >= 4096 { // IPSET_ERR_PRIVATE: no text in the C library
		return fmt.Errorf("ipset error %d, see enum ipset_errno in linux/netfilter/ipset/ip_set.h", int(n))
	}
	return n
}
