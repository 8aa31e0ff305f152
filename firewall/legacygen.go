package firewall

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/keptsocket"
	"github.com/voipbl/voipbl/iptables"
)

// Legacy iptables has no generation number, but its tables can be read as the kernel has them,
// which takes a hundredth of the tools' time.

// From linux/netfilter_ipv4/ip_tables.h and linux/netfilter_ipv6/ip6_tables.h: the
// options of getsockopt(2) are the same for both, at the levels IPPROTO_IP and
// IPPROTO_IPV6.
const (
	iptSOGetInfo    = 64 // IPT_SO_GET_INFO
	iptSOGetEntries = 65 // IPT_SO_GET_ENTRIES
)

// iptGetinfo is struct ipt_getinfo.
type iptGetinfo struct {
	name       [32]byte // XT_TABLE_MAXNAMELEN
	validHooks uint32
	hookEntry  [5]uint32 // NF_INET_NUMHOOKS
	underflow  [5]uint32
	numEntries uint32
	size       uint32
}

// iptGetEntries is the head of struct ipt_get_entries.
type iptGetEntries struct {
	_    [0]uint64 // what follows it is aligned like its counters
	name [32]byte
	size uint32
}

// iptEntry is struct ipt_entry: struct ipt_ip, nfcache, target_offset, next_offset,
// comefrom, struct xt_counters.
type iptEntry struct {
	_             [84]byte
	_             uint32
	_, nextOffset uint16
	_             uint32
	packets, _    uint64
}

// ip6tEntry is struct ip6t_entry, the same with struct ip6t_ip6 and its padding.
type ip6tEntry struct {
	_             [136]byte
	_             uint32
	_, nextOffset uint16
	_             uint32
	packets, _    uint64
}

// entryForm has the offsets and lengths within an entry that are needed here.
type entryForm struct {
	sockets                       *keptsocket.Kept[int]
	level, next, counters, length int
}

var entryForms = [2]entryForm{
	{legacySockets(unix.AF_INET), unix.SOL_IP, int(unsafe.Offsetof(iptEntry{}.nextOffset)), int(unsafe.Offsetof(iptEntry{}.packets)), int(unsafe.Sizeof(iptEntry{}))},
	{legacySockets(unix.AF_INET6), unix.SOL_IPV6, int(unsafe.Offsetof(ip6tEntry{}.nextOffset)), int(unsafe.Offsetof(ip6tEntry{}.packets)), int(unsafe.Sizeof(ip6tEntry{}))},
}

// legacySockets are of a type that answers such questions, and receives no packet meanwhile.
func legacySockets(domain int) *keptsocket.Kept[int] {
	open := func() (int, error) { return unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) }
	return &keptsocket.Kept[int]{Open: open, Close: closeSocket}
}

// countersLength is the length of struct xt_counters.
const countersLength = 16

// legacyGeneration returns a digest of all rules in legacy tables, without their counters.
func legacyGeneration() (string, error) {
	sum := fnv.New64a()
	for _, f := range iptables.Families {
		names, err := readLegacyNames(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if len(names) == 0 {
			continue
		}
		err = entryForms[f].sockets.Use(func(sock int) error {
			for _, name := range strings.Fields(string(names)) {
				rules, err := legacyTable(sock, entryForms[f], name)
				if err != nil {
					return err
				}
				fmt.Fprintf(sum, "%d %s %d\n", f, name, len(rules))
				sum.Write(rules)
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("legacy-%016x", sum.Sum64()), nil
}

// tableTries is how often a table that changes while it is read is read again.
const tableTries = 5

// legacyTable reads a table's rules, with their counters set to zero.
func legacyTable(sock int, form entryForm, name string) ([]byte, error) {
	_, rules, err := legacyEntries(sock, form, name)
	if err != nil {
		return nil, err
	}
	return rules, zeroCounters(rules, form)
}

// legacyEntries reads a table: its description, and its rules as the kernel has them.
func legacyEntries(sock int, form entryForm, name string) (info iptGetinfo, rules []byte, err error) {
	for range tableTries {
		info = iptGetinfo{}
		copy(info.name[:len(info.name)-1], name)
		if _, err := getsockopt(sock, form.level, iptSOGetInfo, unsafe.Pointer(&info), int(unsafe.Sizeof(info))); err != nil {
			return info, nil, err
		}
		head := int(unsafe.Sizeof(iptGetEntries{}))
		buf := make([]uint64, (head+int(info.size)+7)/8) // aligned
		entries := (*iptGetEntries)(unsafe.Pointer(&buf[0]))
		entries.name, entries.size = info.name, info.size
		_, err := getsockopt(sock, form.level, iptSOGetEntries, unsafe.Pointer(&buf[0]), head+int(info.size))
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINVAL) {
			continue // its size has changed
		}
		if err != nil {
			return info, nil, err
		}
		return info, unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), len(buf)*8)[head : head+int(info.size)], nil
	}
	return info, nil, unix.EAGAIN
}

// errForm says that a table is not laid out as the headers describe, as on a processor with
// other alignment.
var errForm = errors.New("a legacy table of an unknown form")

func zeroCounters(rules []byte, form entryForm) error {
	for at := 0; at < len(rules); {
		next, err := form.following(rules[at:])
		if err != nil {
			return err
		}
		clear(rules[at+form.counters:][:countersLength])
		at += next
	}
	return nil
}

// following returns where the entry after the first one begins.
func (form entryForm) following(rules []byte) (next int, err error) {
	if len(rules) < form.length {
		return 0, errForm
	}
	next = int(*(*uint16)(unsafe.Pointer(&rules[form.next])))
	if next < form.length || next > len(rules) {
		return 0, errForm
	}
	return next, nil
}

// getsockopt calls getsockopt(2) for options that x/sys/unix has no function for.
func getsockopt(sock, level, option int, value unsafe.Pointer, length int) (int, error) {
	n := uint32(length)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(sock), uintptr(level), uintptr(option), uintptr(value), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
