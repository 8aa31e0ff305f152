package nft

import (
	"bytes"
	"encoding/binary"
)

// Field is a property of a packet that a rule may match, by nft's name.
type Field string

// The fields that are understood. Others have a name too, but no values.
const (
	Saddr4    Field = "ip saddr"
	Daddr4    Field = "ip daddr"
	Saddr6    Field = "ip6 saddr"
	Daddr6    Field = "ip6 daddr"
	L4Proto   Field = "meta l4proto"
	Sport     Field = "th sport"
	Dport     Field = "th dport"
	NFProto   Field = "meta nfproto"
	EtherType Field = "meta protocol"
	IIF       Field = "iif"
	IIFName   Field = "iifname"
	OIF       Field = "oif"
	OIFName   Field = "oifname"
	CTState   Field = "ct state"
	CTStatus  Field = "ct status"
	MarkField Field = "meta mark"
	PktType   Field = "meta pkttype"
	DaddrType Field = "fib daddr type"
)

// lengths has the lengths of fields in bytes. For other fields, the rule gives the length.
var lengths = map[Field]int{
	Saddr4: 4, Daddr4: 4, Saddr6: 16, Daddr6: 16, L4Proto: 1, Sport: 2, Dport: 2, NFProto: 1, EtherType: 2,
	IIF: 4, OIF: 4, IIFName: 16, OIFName: 16, CTState: 4, CTStatus: 4, MarkField: 4, PktType: 1, DaddrType: 4,
}

// Length returns how many bytes a field has, 0 for one that is not understood.
func (f Field) Length() int { return lengths[f] }

// IsSource reports whether a field is the source address.
func (f Field) IsSource() bool { return f == Saddr4 || f == Saddr6 }

// IsAddress reports whether a field is an address of a packet.
func (f Field) IsAddress() bool { return f.IsSource() || f == Daddr4 || f == Daddr6 }

func (f Field) isPort() bool { return f == Sport || f == Dport }

// Numbers from the kernel: linux/in.h, linux/netfilter.h, linux/if_ether.h, linux/rtnetlink.h and
// linux/netfilter/nf_conntrack_common.h.
const (
	ProtoTCP   = 6
	ProtoUDP   = 17
	NFProtoV4  = 2  // NFPROTO_IPV4
	NFProtoV6  = 10 // NFPROTO_IPV6
	EtherIPv4  = 0x0800
	EtherIPv6  = 0x86dd
	RTNLocal   = 2 // RTN_LOCAL
	CTStateNew = 8 // NF_CT_STATE_BIT(IP_CT_NEW)

	loopbackIndex = 1 // LOOPBACK_IFINDEX

	CTStateInvalid     = 1    // NF_CT_STATE_INVALID_BIT
	CTStateEstablished = 2    // NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
	CTStateUntracked   = 64   // NF_CT_STATE_UNTRACKED_BIT
	CtDNAT             = 0x20 // IPS_DST_NAT
	CTNATBits          = 0x30 // of "ct status": IPS_SRC_NAT | IPS_DST_NAT
)

// Native32 returns a 32-bit number in the byte order of this machine, as the kernel stores it.
func Native32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// OnlyLoopback reports whether ranges contain only the loopback interface, whose index is 1 in
// each network namespace (LOOPBACK_IFINDEX).
func OnlyLoopback(f Field, ranges []Range) bool {
	lo := Fill([]byte("lo"), 16, 0)
	if f == IIF {
		lo = Native32(loopbackIndex)
	} else if f != IIFName {
		return false
	}
	for _, r := range ranges {
		if !bytes.Equal(r.First, lo) || !bytes.Equal(r.Last, lo) && !bytes.Equal(r.Last, Fill([]byte("lo"), 16, 0xff)) {
			return false
		}
	}
	return true
}

// ProtoName returns the name of a protocol with ports, or "" for others.
func ProtoName(proto byte) string {
	return map[byte]string{ProtoTCP: "tcp", ProtoUDP: "udp"}[proto]
}
