package testns

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// From linux/netfilter/nf_conntrack_common.h.
const (
	seenReply = 1 << 1
	assured   = 1 << 2
	confirmed = 1 << 3
)

// Track makes the kernel track a flow that has gone on in both directions for a while, as if its
// packets had come. tcp is an established connection, else UDP. It is for many flows, or for flows
// that are to stay the same: real ones begin by packets.
func Track(tcp bool, from, to netip.AddrPort) error {
	proto := byte(unix.IPPROTO_UDP)
	family := byte(unix.AF_INET)
	if tcp {
		proto = unix.IPPROTO_TCP
	}
	if from.Addr().Is6() {
		family = unix.AF_INET6
	}
	req := nl.NewNetlinkRequest(nl.IPCTNL_MSG_CT_NEW|unix.NFNL_SUBSYS_CTNETLINK<<8, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	req.AddData(tuple(nl.CTA_TUPLE_ORIG, proto, from, to))
	req.AddData(tuple(nl.CTA_TUPLE_REPLY, proto, to, from))
	req.AddData(nl.NewRtAttr(nl.CTA_STATUS, nl.BEUint32Attr(seenReply|assured|confirmed)))
	req.AddData(nl.NewRtAttr(nl.CTA_TIMEOUT, nl.BEUint32Attr(3600)))
	if tcp {
		const established = 3 // TCP_CONNTRACK_ESTABLISHED
		info := nl.NewRtAttr(nl.CTA_PROTOINFO|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(nl.CTA_PROTOINFO_TCP|unix.NLA_F_NESTED, nil).AddRtAttr(nl.CTA_PROTOINFO_TCP_STATE, nl.Uint8Attr(established))
		req.AddData(info)
	}
	if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil {
		return fmt.Errorf("track a flow from %s to %s: %w", from, to, err)
	}
	return nil
}

// tuple is the attribute of the ends of the packets in one direction.
func tuple(typ int, proto byte, from, to netip.AddrPort) *nl.RtAttr {
	src, dst := nl.CTA_IP_V4_SRC, nl.CTA_IP_V4_DST
	if from.Addr().Is6() {
		src, dst = nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST
	}
	t := nl.NewRtAttr(typ|unix.NLA_F_NESTED, nil)
	ip := t.AddRtAttr(nl.CTA_TUPLE_IP|unix.NLA_F_NESTED, nil)
	ip.AddRtAttr(src, from.Addr().AsSlice())
	ip.AddRtAttr(dst, to.Addr().AsSlice())
	of := t.AddRtAttr(nl.CTA_TUPLE_PROTO|unix.NLA_F_NESTED, nil)
	of.AddRtAttr(nl.CTA_PROTO_NUM, nl.Uint8Attr(proto))
	of.AddRtAttr(nl.CTA_PROTO_SRC_PORT, nl.BEUint16Attr(from.Port()))
	of.AddRtAttr(nl.CTA_PROTO_DST_PORT, nl.BEUint16Attr(to.Port()))
	return t
}
