package ipsetsync

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// Kernel is a connection to the ipset subsystem of the network namespace in which it
// was opened. Only one goroutine may use it at a time.
type Kernel struct {
	fd       int // of the socket; -1 if it is closed
	buf      []byte
	seq      uint32   // of the last request
	revision [2]uint8 // of hash:net, by family

	broken  bool
	headers *Headers // that are remembered, or nil
	age     time.Duration
}

const (
	// answerTimeout limits the wait for one answer. The kernel answers before send
	// returns, unless another process holds its lock.
	answerTimeout = 30 * time.Second

	// dumpTries is how often a dump is started if the set changes meanwhile.
	dumpTries = 5
)

// Open connects to the kernel and checks for ip_set and hash:net, so that missing
// rights or modules are reported before anything is downloaded.
func Open() (*Kernel, error) {
	fd, err := subscribe()
	if err != nil {
		if errors.Is(err, unix.EPROTONOSUPPORT) {
			err = errNoIPSet
		}
		return nil, &opError{Op: "open", Err: err}
	}
	k := &Kernel{fd: fd, buf: make([]byte, receiveBuffer)}
	if err := k.probe(); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// subscribe opens a socket to the kernel's netfilter. That of [nl.Subscribe] belongs to Go's
// poller, which would wake up for each datagram, although an answer is there when send returns.
func subscribe() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Broken reports whether the connection has failed, so that it is better opened again. The kernel's
// refusals do not count.
func (k *Kernel) Broken() bool { return k.broken }

// Close closes the connection.
func (k *Kernel) Close() {
	if k.fd >= 0 {
		unix.Close(k.fd)
		k.fd = -1
	}
}

// probe asks for the protocol version, which only ip_set answers, and for the revisions
// of hash:net, which makes the kernel load that type.
func (k *Kernel) probe() error {
	if err := k.do(protocolRequest(), nil); err != nil {
		// Without the subsystem nfnetlink answers EINVAL (nfnetlink.c).
		if errors.Is(err, unix.EINVAL) {
			err = errNoIPSet
		}
		return &opError{Op: "open", Err: err}
	}
	for _, f := range cidr.Families {
		var highest, lowest uint8
		err := k.do(typeRequest(f), func(msg []byte) (err error) {
			highest, lowest, err = decodeRevisions(msg)
			return err
		})
		if err == nil && highest < minRevision {
			err = errNoType
		}
		if err != nil {
			return &opError{Op: "find type hash:net", Err: err}
		}
		k.revision[f] = max(min(revision, highest), lowest)
	}
	return nil
}

// Dump reads a set with its entries, sorted.
func (k *Kernel) Dump(name string) (*Live, error) {
	live, err := k.DumpUnsorted(name)
	if err != nil {
		return nil, err
	}
	live.sort()
	return live, nil
}

// DumpUnsorted is Dump with the entries in the order of the kernel's hash table. NewPlan
// sorts them only if something differs.
func (k *Kernel) DumpUnsorted(name string) (*Live, error) {
	return k.list("list", name, listRequest(name), listing{entries: true})
}

// Kind reads a set's name, type, family and revision; the rest of the Header is zero. It
// is faster than [Kernel.Header], for which the kernel goes through all entries (7 ms
// for a million).
func (k *Kernel) Kind(name string) (Header, error) {
	live, err := k.list("kind", name, kindRequest(name), listing{})
	if err != nil {
		return Header{}, err
	}
	return live.Header, nil
}

// Header reads a set without its entries; see [Kernel.Share].
func (k *Kernel) Header(name string) (Header, error) {
	if h, known := k.recall(name); known {
		return h, nil
	}
	return k.HeaderNow(name)
}

func (k *Kernel) list(op, name string, req request, how listing) (*Live, error) {
	for try := 1; ; try++ {
		answer := how
		if how.again != nil {
			how.again()
		}
		err := k.do(req, answer.add)
		if errors.Is(err, nl.ErrDumpInterrupted) && try < dumpTries {
			continue
		}
		if err == nil && len(answer.sets) != 1 {
			err = fmt.Errorf("%w: %d sets in an answer about one", errMalformed, len(answer.sets))
		}
		if err != nil {
			return nil, &opError{Op: op, Set: name, Err: err}
		}
		return answer.sets[0], nil
	}
}

// names returns the names of all sets.
func (k *Kernel) names() (names []string, err error) {
	var answer listing
	if err := k.do(namesRequest(), answer.add); err != nil {
		return nil, &opError{Op: "list", Err: err}
	}
	for _, s := range answer.sets {
		names = append(names, s.Name)
	}
	return names, nil
}

// Lists returns the names of the list:set sets that have name as a member.
func (k *Kernel) Lists(name string) ([]string, error) {
	names, err := k.names()
	if err != nil {
		return nil, err
	}
	var lists []string
	for _, s := range names {
		kind, err := k.Kind(s)
		if err == nil && kind.Type != typeListSet {
			continue
		}
		var list *Live
		if err == nil {
			list, err = k.list("list", s, listRequest(s), listing{entries: true})
		}
		if errors.Is(err, ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(list.Sets, name) {
			lists = append(lists, s)
		}
	}
	return lists, nil
}

// Destroy removes a set that nothing refers to.
func (k *Kernel) Destroy(name string) error {
	return k.op("destroy", name, destroyRequest(name))
}

func (k *Kernel) op(op, name string, req request) error {
	if err := k.do(req, nil); err != nil {
		return &opError{Op: op, Set: name, Err: err}
	}
	return nil
}

// refusal is the kernel's error with the refused request.
type refusal struct {
	errno syscall.Errno
	echo  []byte // the body of the request, as sent back by the kernel
}

func (r *refusal) Error() string { return fromErrno(r.errno).Error() }
func (r *refusal) Unwrap() error { return fromErrno(r.errno) }

// do sends a request to the kernel and calls answer with the body of each message that
// comes back. It returns when the kernel has acknowledged the request or ended its
// listing.
func (k *Kernel) do(req request, answer func(msg []byte) error) error {
	k.seq++
	req.setHeader(k.seq)
	if err := send(k.fd, req.msg); err != nil {
		k.broken = true
		return fmt.Errorf("send: %w", err)
	}
	interrupted := false
	var failed error // the error of answer; the remaining messages are still read
	for {
		datagram, err := receive(k.fd, k.buf)
		for len(datagram) > 0 && err == nil {
			var m syscall.NetlinkMessage
			if m, datagram, err = cutMessage(datagram); err != nil || m.Header.Seq != k.seq {
				continue // left from a request that timed out
			}
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_ERROR, unix.NLMSG_DONE:
				if err := endOf(m); err != nil {
					return err
				}
				if interrupted {
					return nl.ErrDumpInterrupted
				}
				return failed
			}
			if answer != nil && failed == nil {
				failed = answer(m.Data)
			}
			if m.Header.Flags&unix.NLM_F_MULTI == 0 && req.flags&unix.NLM_F_ACK == 0 {
				return failed
			}
		}
		if err != nil {
			k.broken = true
			return fmt.Errorf("receive: %w", err)
		}
	}
}

// endOf reads struct nlmsgerr (linux/netlink.h): a negative errno, or zero for an
// acknowledgement, then the request.
func endOf(m syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return nil // NLMSG_DONE without a status
	}
	errno := -int32(binary.NativeEndian.Uint32(m.Data))
	if errno == 0 {
		return nil
	}
	r := &refusal{errno: syscall.Errno(errno)}
	if echo := m.Data[4:]; m.Header.Type == unix.NLMSG_ERROR && len(echo) > nlmsgHeaderLength {
		r.echo = bytes.Clone(echo[nlmsgHeaderLength:])
	}
	return r
}
