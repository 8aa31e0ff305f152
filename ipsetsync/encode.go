package ipsetsync

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// request is a message for the kernel: the command, the flags in addition to
// NLM_F_REQUEST, and the whole message, whose netlink header [Kernel.do] fills in.
type request struct {
	cmd   uint8
	flags uint16
	msg   []byte
}

// setHeader fills in the netlink header (linux/netlink.h: struct nlmsghdr).
func (r request) setHeader(seq uint32) {
	binary.NativeEndian.PutUint32(r.msg, uint32(len(r.msg)))
	binary.NativeEndian.PutUint16(r.msg[4:], nfnlSubsysIpset<<8|uint16(r.cmd))
	binary.NativeEndian.PutUint16(r.msg[6:], unix.NLM_F_REQUEST|r.flags)
	binary.NativeEndian.PutUint32(r.msg[8:], seq)
	binary.NativeEndian.PutUint32(r.msg[12:], 0) // the kernel finds the sender by itself
}

// body returns the bytes after the netlink header.
func (r request) body() []byte { return r.msg[nlmsgHeaderLength:] }

// encoder appends attributes to a message. A nested attribute is opened and
// closed; its length is filled in when it is closed.
type encoder struct{ b []byte }

func newEncoder(family uint8, room int) *encoder {
	e := &encoder{make([]byte, 0, room)}
	e.begin(family)
	return e
}

// begin begins a message anew, with room for its netlink header.
func (e *encoder) begin(family uint8) {
	e.b = append(e.b[:0], zeros[:nlmsgHeaderLength]...)
	e.b = append(e.b, family, nfnetlinkV0, 0, 0)
	e.u8(attrProtocol, protocol)
}

func (e *encoder) bytes(typ uint16, v []byte) {
	e.b = binary.NativeEndian.AppendUint16(e.b, uint16(nlaHeaderLength+len(v)))
	e.b = binary.NativeEndian.AppendUint16(e.b, typ)
	e.b = append(e.b, v...)
	e.pad()
}

func (e *encoder) pad() {
	for len(e.b)%nlaAlign != 0 {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) str(typ uint16, s string) { e.bytes(typ, append([]byte(s), 0)) }
func (e *encoder) u8(typ uint16, v uint8)   { e.bytes(typ, []byte{v}) }

func (e *encoder) be32(typ uint16, v uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	e.bytes(typ|nlaNetByteorder, b[:])
}

func (e *encoder) be64(typ uint16, v uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	e.bytes(typ|nlaNetByteorder, b[:])
}

// u32 appends a number in the host's byte order, which ipset uses for line
// numbers only.
func (e *encoder) u32(typ uint16, v uint32) {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	e.bytes(typ, b[:])
}

// open begins a nested attribute; close ends the one that begins at at.
func (e *encoder) open(typ uint16) (at int) {
	at = len(e.b)
	e.bytes(typ|nlaNested, nil)
	return at
}

func (e *encoder) close(at int) {
	binary.NativeEndian.PutUint16(e.b[at:], uint16(len(e.b)-at))
}

func familyNumber(f cidr.Family) uint8 {
	if f == cidr.IPv4 {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// smallMessage is enough bytes for any message except a batch of entries.
const smallMessage = 256

func protocolRequest() request {
	return request{cmdProtocol, 0, newEncoder(unix.AF_INET, smallMessage).b}
}

func typeRequest(f cidr.Family) request {
	e := newEncoder(familyNumber(f), smallMessage)
	e.str(attrTypename, TypeHashNet)
	e.u8(attrFamily, familyNumber(f))
	return request{cmdType, 0, e.b}
}

// spec has the options with which a set is created.
type spec struct {
	name              string
	family            cidr.Family
	revision          uint8
	hashsize, maxelem uint32
}

func createRequest(s spec) request {
	e := newEncoder(familyNumber(s.family), smallMessage)
	e.str(attrSetname, s.name)
	e.str(attrTypename, TypeHashNet)
	e.u8(attrRevision, s.revision)
	e.u8(attrFamily, familyNumber(s.family))
	data := e.open(attrData)
	e.be32(attrHashsize, s.hashsize)
	e.be32(attrMaxelem, s.maxelem)
	e.be32(attrCADTFlags, flagWithCounters)
	e.close(data)
	// Without NLM_F_EXCL the kernel would accept an existing set of the same name and
	// type, whatever its family and options.
	return request{cmdCreate, unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL, e.b}
}

func destroyRequest(name string) request {
	e := newEncoder(unix.AF_INET, smallMessage)
	e.str(attrSetname, name)
	// Without NLM_F_EXCL newer kernels report success if there is no such set.
	return request{cmdDestroy, unix.NLM_F_ACK | unix.NLM_F_EXCL, e.b}
}

func swapRequest(a, b string) request {
	e := newEncoder(unix.AF_INET, smallMessage)
	e.str(attrSetname, a)
	e.str(attrSetname2, b)
	return request{cmdSwap, unix.NLM_F_ACK, e.b}
}

func renameRequest(from, to string) request {
	e := newEncoder(unix.AF_INET, smallMessage)
	e.str(attrSetname, from)
	e.str(attrSetname2, to)
	return request{cmdRename, unix.NLM_F_ACK, e.b}
}

// listRequest asks for a set with its entries; an empty name asks for all sets.
func listRequest(name string) request {
	e := newEncoder(unix.AF_INET, smallMessage)
	if name != "" {
		e.str(attrSetname, name)
	}
	return request{cmdList, unix.NLM_F_DUMP, e.b}
}

// headerRequest asks for a set without its entries. (IPSET_CMD_HEADER returns neither
// their number nor maxelem.) The kernel goes through all entries for it.
func headerRequest(name string) request { return flagged(listRequest(name), flagListHeader) }

// namesRequest asks for the names of all sets. The kernel looks at nothing else for it.
func namesRequest() request { return flagged(listRequest(""), flagListSetname) }

func flagged(list request, flag uint32) request {
	e := encoder{list.msg}
	e.be32(attrFlags, flag)
	return request{cmdList, unix.NLM_F_DUMP, e.b}
}

// kindRequest asks for a set's type, family and revision. It is cheap: the kernel lists
// nothing for it.
func kindRequest(name string) request {
	e := newEncoder(unix.AF_INET, smallMessage)
	e.str(attrSetname, name)
	return request{cmdHeader, 0, e.b}
}

// testRequest asks whether an entry is in a set.
func testRequest(name string, p cidr.Prefix) request {
	e := newEncoder(familyNumber(p.Family()), smallMessage)
	e.str(attrSetname, name)
	data := e.open(attrData)
	e.address(p)
	e.u8(attrCIDR, p.Bits())
	e.close(data)
	return request{cmdTest, unix.NLM_F_ACK, e.b}
}

// address appends the address of a prefix.
func (e *encoder) address(p cidr.Prefix) {
	ip := e.open(attrIP)
	addr := len(e.b) + nlaHeaderLength
	if p.Family() == cidr.IPv4 {
		e.bytes(attrIPAddrIPv4|nlaNetByteorder, zeros[:4])
	} else {
		e.bytes(attrIPAddrIPv6|nlaNetByteorder, zeros[:16])
	}
	p.AppendBytes(e.b[:addr])
	e.close(ip)
}

var zeros [16]byte
