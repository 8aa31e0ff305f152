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
	ErrExists       = errors.New("a set of that name exists")
	ErrNoIPSet      = errors.New("the kernel has no ip_set")
	ErrNoType       = errors.New("the kernel has no set type hash:net with counters")
	ErrBusy         = errors.New("a rule, a list or another operation uses the set")
	ErrMismatch     = errors.New("the two sets have different types or families")
	ErrReferenced   = errors.New("a rule or a list uses the set")
	ErrFull         = errors.New("the set is full")
	ErrTooManySets  = errors.New("the kernel can hold no more sets")
	ErrEntry        = errors.New("the kernel refuses the entry")
	ErrMemory       = errors.New("the kernel has no memory for it")
	ErrWrongContent = errors.New("the set does not hold what was put in")
)

// codes maps the kernel's error numbers to errors. The private numbers are from enum
// ipset_errno (linux/netfilter/ipset/ip_set.h) and, from 4352 on, from the hash types
// (ip_set_hash.h).
var codes = map[syscall.Errno]error{
	unix.EPERM:  ErrPermission,
	unix.ENOENT: ErrNotFound,
	unix.EEXIST: ErrExists,
	unix.ENOMEM: ErrMemory,
	unix.EBUSY:  ErrBusy,         // a swap while another process lists one of the sets
	4098:        ErrNoType,       // IPSET_ERR_FIND_TYPE
	4099:        ErrTooManySets,  // IPSET_ERR_MAX_SETS
	4100:        ErrBusy,         // IPSET_ERR_BUSY
	4101:        ErrExistsOrGone, // IPSET_ERR_EXIST_SETNAME2
	4102:        ErrMismatch,     // IPSET_ERR_TYPE_MISMATCH
	4103:        ErrExists,       // IPSET_ERR_EXIST: the entry is in the set
	4104:        ErrEntry,        // IPSET_ERR_INVALID_CIDR
	4106:        ErrMismatch,     // IPSET_ERR_INVALID_FAMILY
	4108:        ErrReferenced,   // IPSET_ERR_REFERENCED
	4109:        ErrEntry,        // IPSET_ERR_IPADDR_IPV4
	4110:        ErrEntry,        // IPSET_ERR_IPADDR_IPV6
	4352:        ErrFull,         // IPSET_ERR_HASH_FULL
	4353:        ErrEntry,        // IPSET_ERR_HASH_ELEM: a null value
}

// ErrExistsOrGone is IPSET_ERR_EXIST_SETNAME2: the second set of a swap does not exist,
// or that of a rename does.
var ErrExistsOrGone = errors.New("the second set of a swap is gone, or the new name of a rename is taken")

var remedies = map[error]string{
	ErrPermission:   "run it as root, or give it CAP_NET_ADMIN in the host's own user namespace",
	ErrNotFound:     "run \"voipbl sync\" to create it",
	ErrExists:       "another program creates sets of our names at the same time: find it, or choose another name with \"set:\"",
	ErrNoIPSet:      "load it with \"modprobe ip_set ip_set_hash_net\"; on Ubuntu's small kernels the modules are in linux-modules-extra; in a container, load it on the host",
	ErrNoType:       "load it with \"modprobe ip_set_hash_net\"; it needs Linux 3.10 or later",
	ErrBusy:         "take out the rule or list that uses it (\"iptables-save | grep match-set\", \"ipset list\"); if there is none, try again",
	ErrMismatch:     "another program holds a set of that name: choose another name with \"set:\", or remove that set",
	ErrReferenced:   "take out the rule or list that uses it (\"iptables-save | grep match-set\", \"ipset list\"), or choose another name with \"set:\"",
	ErrFull:         "this is a bug in the size that was asked for: please report it",
	ErrTooManySets:  "the kernel holds 65534 sets at most: remove unused ones with \"ipset destroy NAME\"",
	ErrEntry:        "this is a bug in what was sent: please report it",
	ErrMemory:       "free memory, or use smaller feeds",
	ErrWrongContent: "another program writes to our temporary set: find it, or choose another name with \"set:\"",
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
