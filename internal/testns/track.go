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
	req := about(nl.IPCTNL_MSG_CT_NEW, unix.NLM_F_CREATE|unix.NLM_F_EXCL, tcp, from, to)
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

// Untrack makes the kernel forget a flow that [Track] has made, as if it had ended.
func Untrack(tcp bool, from, to netip.AddrPort) error {
	if _, err := about(nl.IPCTNL_MSG_CT_DELETE, 0, tcp, from, to).Execute(unix.NETLINK_NETFILTER, 0); err != nil {
		return fmt.Errorf("forget the flow from %s to %s: %w", from, to, err)
	}
	return nil
}

// about is a request about a flow.
func about(op, flags int, tcp bool, from, to netip.AddrPort) *nl.NetlinkRequest {
	proto, family := byte(unix.IPPROTO_UDP), byte(unix.AF_INET)
	if tcp {
		proto = unix.IPPROTO_TCP
	}
	if from.Addr().Is6() {
		family = unix.AF_INET6
	}
	req := nl.NewNetlinkRequest(op|unix.NFNL_SUBSYS_CTNETLINK<<8, flags|unix.NLM_F_ACK)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	req.AddData(tuple(nl.CTA_TUPLE_ORIG, proto, from, to))
	req.AddData(tuple(nl.CTA_TUPLE_REPLY, proto, to, from))
	return req
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
