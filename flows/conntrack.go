package flows

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// countFile has the number of flows that are tracked in the network namespace of the calling thread.
// It exists if the kernel can track any (nf_conntrack_standalone.c).
const countFile = "/proc/sys/net/netfilter/nf_conntrack_count"

// From linux/netfilter/nf_conntrack_common.h and nf_conntrack_tcp.h.
const (
	statusAssured  = 1 << 2 // IPS_ASSURED: both sides have sent, and go on; see Flow
	tcpEstablished = 3      // TCP_CONNTRACK_ESTABLISHED
)

// statusMask is CTA_STATUS_MASK (linux/netfilter/nfnetlink_conntrack.h): Linux 5.15 and newer list
// only flows with these bits of the status. Older ones list all.
const statusMask = 26

// attributes of nested attributes that package nl does not name.
const (
	protoInfo      = 4 // CTA_PROTOINFO
	protoInfoTCP   = 1 // CTA_PROTOINFO_TCP
	protoInfoState = 1 // CTA_PROTOINFO_TCP_STATE
)

var errMalformed = errors.New("the kernel's list of flows is malformed")

// askTracked is [Ask] for the flows that the kernel tracks. It asks for none where none is tracked: a
// request would load the kernel's module for it, and the kernel would walk through an empty table.
func askTracked() (listing, int, error) {
	text, err := os.ReadFile(countFile)
	if errors.Is(err, fs.ErrNotExist) {
		return listing{}, 0, nil
	}
	tracked := 0
	if err == nil {
		tracked, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil || tracked == 0 {
		return listing{}, tracked, err
	}
	req := nl.NewNetlinkRequest(nl.IPCTNL_MSG_CT_GET|netlink.ConntrackTable<<8, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	req.AddData(nl.NewRtAttr(nl.CTA_STATUS, nl.BEUint32Attr(statusAssured)))
	req.AddData(nl.NewRtAttr(statusMask, nl.BEUint32Attr(statusAssured)))
	l, err := open("list tracked flows", unix.NETLINK_NETFILTER, parseMessage, req)
	return l, tracked, err
}

// parseMessage calls see with the ends of a flow that counts.
func parseMessage(msg []byte, see func(Flow)) error {
	f, counts, err := parseTracked(msg)
	if err == nil && counts {
		f.each(see)
	}
	return err
}

// trackedFlow is a flow as the kernel tracks it: the ends of its packets, and of their answers, which
// differ where addresses are translated.
type trackedFlow struct {
	forward, reply tuple
}

type tuple struct {
	src, dst         netip.Addr
	proto            uint8
	srcPort, dstPort uint16
}

// each calls see with the flow from each of its ends: packets of both come in on this host, unless
// one of them is the host itself.
func (f trackedFlow) each(see func(Flow)) {
	tcp := f.forward.proto == unix.IPPROTO_TCP
	see(Flow{Peer: f.forward.src, TCP: tcp, Port: f.forward.dstPort, PeerPort: f.forward.srcPort})
	see(Flow{Peer: f.reply.src, TCP: tcp, Port: f.reply.dstPort, PeerPort: f.reply.srcPort})
}

// parseTracked parses a message, and says whether the flow counts; see [Flow].
func parseTracked(msg []byte) (f trackedFlow, counts bool, err error) {
	if len(msg) < nl.SizeofNfgenmsg {
		return f, false, errMalformed
	}
	assured, state := false, uint8(0)
	err = attributes(msg[nl.SizeofNfgenmsg:], func(typ uint16, value []byte) (err error) {
		switch typ {
		case nl.CTA_TUPLE_ORIG:
			f.forward, err = parseTuple(value)
		case nl.CTA_TUPLE_REPLY:
			f.reply, err = parseTuple(value)
		case nl.CTA_STATUS:
			assured = len(value) == 4 && binary.BigEndian.Uint32(value)&statusAssured != 0
		case protoInfo:
			state, err = parseState(value)
		}
		return err
	})
	if err != nil {
		return f, false, err
	}
	if !f.forward.src.IsValid() || !f.reply.src.IsValid() {
		return f, false, errMalformed
	}
	if f.forward.src == f.forward.dst {
		return f, false, nil
	}
	switch f.forward.proto {
	case unix.IPPROTO_UDP:
		return f, assured, nil
	case unix.IPPROTO_TCP:
		return f, assured && state == tcpEstablished, nil
	}
	return f, false, nil
}

// parseTuple parses CTA_TUPLE_ORIG or CTA_TUPLE_REPLY.
func parseTuple(b []byte) (t tuple, err error) {
	err = attributes(b, func(typ uint16, value []byte) error {
		switch typ {
		case nl.CTA_TUPLE_IP:
			return attributes(value, func(typ uint16, value []byte) error {
				addr, ok := netip.AddrFromSlice(value)
				switch typ {
				case nl.CTA_IP_V4_SRC, nl.CTA_IP_V6_SRC:
					t.src = addr
				case nl.CTA_IP_V4_DST, nl.CTA_IP_V6_DST:
					t.dst = addr
				}
				if !ok {
					return errMalformed
				}
				return nil
			})
		case nl.CTA_TUPLE_PROTO:
			return attributes(value, func(typ uint16, value []byte) error {
				switch {
				case typ == nl.CTA_PROTO_NUM && len(value) == 1:
					t.proto = value[0]
				case typ == nl.CTA_PROTO_SRC_PORT && len(value) == 2:
					t.srcPort = binary.BigEndian.Uint16(value)
				case typ == nl.CTA_PROTO_DST_PORT && len(value) == 2:
					t.dstPort = binary.BigEndian.Uint16(value)
				}
				return nil
			})
		}
		return nil
	})
	return t, err
}

// parseState returns the state of a TCP connection from CTA_PROTOINFO.
func parseState(b []byte) (state uint8, err error) {
	err = attributes(b, func(typ uint16, value []byte) error {
		if typ != protoInfoTCP {
			return nil
		}
		return attributes(value, func(typ uint16, value []byte) error {
			if typ == protoInfoState && len(value) == 1 {
				state = value[0]
			}
			return nil
		})
	})
	return state, err
}

// attributes calls f with each of the attributes in b.
func attributes(b []byte, f func(typ uint16, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < nl.SizeofNfattr {
			return errMalformed
		}
		n := int(binary.NativeEndian.Uint16(b))
		typ := binary.NativeEndian.Uint16(b[2:]) &^ (nl.NLA_F_NESTED | nl.NLA_F_NET_BYTEORDER)
		if n < nl.SizeofNfattr || n > len(b) {
			return errMalformed
		}
		if err := f(typ, b[nl.SizeofNfattr:n]); err != nil {
			return err
		}
		b = b[min((n+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(b)):]
	}
	return nil
}
