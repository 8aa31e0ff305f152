package ipsetsync

// Numbers of the kernel's interface. Comments give their names in the headers in
// /usr/include/linux.

// linux/netfilter/nfnetlink.h: struct nfgenmsg stands between the netlink
// header and the attributes; the subsystem is the upper byte of the type.
const (
	sizeofNfGenMsg    = 4
	nfnetlinkV0       = 0
	nfnlSubsysIpset   = 6
	nlmsgHeaderLength = 16 // linux/netlink.h: NLMSG_HDRLEN
)

// linux/netlink.h: struct nlattr is a length, which counts the header, and a
// type; values are padded to four bytes.
const (
	nlaHeaderLength  = 4
	nlaAlign         = 4
	nlaNested        = 1 << 15 // NLA_F_NESTED
	nlaNetByteorder  = 1 << 14 // NLA_F_NET_BYTEORDER
	nlaTypeMask      = 1<<14 - 1
	nlaMaxValueBytes = 1<<16 - 1 - nlaHeaderLength // nla_len has 16 bits
)

// linux/netfilter/ipset/ip_set.h: enum ipset_cmd.
const (
	cmdProtocol = 1
	cmdCreate   = 2
	cmdDestroy  = 3
	cmdRename   = 5
	cmdSwap     = 6
	cmdList     = 7
	cmdAdd      = 9
	cmdDel      = 10
	cmdTest     = 11
	cmdHeader   = 12
	cmdType     = 13
)

// protocol is IPSET_PROTOCOL of ip_set.h.
const protocol = 7

// ip_set.h: attributes at command level.
const (
	attrProtocol    = 1
	attrSetname     = 2
	attrTypename    = 3
	attrSetname2    = 3
	attrRevision    = 4
	attrFamily      = 5
	attrFlags       = 6
	attrData        = 7
	attrADT         = 8
	attrLineno      = 9
	attrRevisionMin = 10
)

// ip_set.h: CADT specific attributes, those of create, and those of entries.
const (
	attrIP         = 1
	attrCIDR       = 3
	attrPort       = 4
	attrPortTo     = 5
	attrTimeout    = 6
	attrProto      = 7
	attrCADTFlags  = 8
	attrCADTLineno = 9

	attrHashsize   = 18
	attrMaxelem    = 19
	attrNetmask    = 20
	attrElements   = 24
	attrReferences = 25
	attrMemsize    = 26

	attrName    = 18
	attrIface   = 23
	attrBytes   = 24
	attrPackets = 25
)

// ip_set.h: IP specific attributes.
const (
	attrIPAddrIPv4 = 1
	attrIPAddrIPv6 = 2
)

// ip_set.h: enum ipset_cmd_flags and enum ipset_cadt_flags.
const (
	flagListSetname  = 1 << 1
	flagListHeader   = 1 << 2
	flagNomatch      = 1 << 2
	flagWithCounters = 1 << 3
	flagWithComment  = 1 << 4
	flagWithForceadd = 1 << 5
	flagWithSkbinfo  = 1 << 6
)

// TypeHashNet is the type of the sets that voipbl makes.
const TypeHashNet = "hash:net"

const (
	typeListSet = "list:set"

	// revision 6 of hash:net is in every kernel since 3.18, and every ipset(8) of the
	// supported systems knows it. minRevision is the first with counters
	// (net/netfilter/ipset/ip_set_hash_net.c).
	revision    = 6
	minRevision = 3
)
