package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// ruleReader turns the expressions of a rule into steps, by following what each register holds.
// A rule has the form "load, change, compare"; see [nft(8)].
//
// [nft(8)]: https://manpages.debian.org/nft
type ruleReader struct {
	family Family
	is6    bool // the rule has already matched IPv6
	slots  [registers]load
	steps  []Step
	native bool // see isNative
}

// registers is the number of registers of 32 bits (NFT_REG32_COUNT).
const registers = 16

// load is what a register holds: a field of the packet, some bits of one, or fixed data.
type load struct {
	field  Field
	length int    // in bytes, as loaded
	mask   []byte // nil: all bits
	data   []byte // fixed
}

// slot returns the index of a register. The old ones have 128 bits (NFT_REG_1 …), the new ones 32
// (NFT_REG32_00 …).
func slot(register uint32) (int, bool) {
	switch {
	case unix.NFT_REG_1 <= register && register <= unix.NFT_REG_4:
		return int(register-unix.NFT_REG_1) * 4, true
	case unix.NFT_REG32_00 <= register && register <= unix.NFT_REG32_15:
		return int(register - unix.NFT_REG32_00), true
	}
	return 0, false
}

func (r *ruleReader) put(register uint32, l load) {
	s, ok := slot(register)
	if !ok {
		return
	}
	for i := s; i < min(registers, s+max(1, (l.length+3)/4)); i++ {
		r.slots[i] = load{}
	}
	r.slots[s] = l
}

func (r *ruleReader) get(register uint32) load {
	if s, ok := slot(register); ok {
		return r.slots[s]
	}
	return load{}
}

func (r *ruleReader) add(s Step)         { r.steps = append(r.steps, s) }
func (r *ruleReader) unknown(why string) { r.add(Step{Unknown: why}) }
func (r *ruleReader) note(what string)   { r.add(Step{Note: what}) }

// read adds the effect of one expression.
func (r *ruleReader) read(name string, e expr.Any) {
	r.native = r.native || isNative(e, r.asked(e))
	switch e := e.(type) {
	case *expr.Meta:
		r.meta(e)
	case *expr.Payload:
		if e.OperationType == expr.PayloadWrite {
			r.note("payload set")
			return
		}
		r.put(e.DestRegister, load{field: r.payloadField(e), length: int(e.Len)})
	case *expr.Ct:
		switch {
		case e.SourceRegister && e.Key == expr.CtKeyZONE:
			r.add(Step{Track: Templated})
			return
		case e.SourceRegister:
			r.note("ct set")
			return
		}
		field := Field(fmt.Sprintf("ct key %d", e.Key))
		switch e.Key {
		case expr.CtKeySTATE:
			field = CTState
		case expr.CtKeySTATUS:
			field = CTStatus
		}
		r.put(e.Register, load{field: field, length: 4})
	case *expr.Fib:
		field := Field("fib")
		if e.ResultADDRTYPE && e.FlagDADDR && !e.FlagIIF && !e.FlagOIF && !e.FlagMARK && !e.FlagPRESENT {
			field = DaddrType
		}
		r.put(e.Register, load{field: field, length: 4})
	case *expr.Immediate:
		r.put(e.Register, load{data: e.Data, length: len(e.Data)})
	case *expr.Bitwise:
		r.bitwise(e)
	case *expr.Cmp:
		r.compare(e.Op, r.get(e.Register), e.Data)
	case *expr.Range:
		r.between(e)
	case *expr.Lookup:
		r.lookup(e)
	case *expr.Verdict:
		r.verdict(e)
	case *expr.Reject:
		r.add(Step{Verdict: &Verdict{Kind: Reject}})
	case *expr.NAT:
		r.nat(e)
	case *expr.Redir:
		n := &NAT{Local: true}
		n.Port, n.AnyPort = r.port(e.RegisterProtoMin, e.RegisterProtoMax)
		r.add(Step{NAT: n})
	case *expr.Dynset:
		r.dynset(e)
	case *expr.Objref:
		switch e.Type {
		case objectCounter, objectHelper, objectSecMark, objectExpect:
			r.note(name)
		case objectTimeout:
			r.add(Step{Track: Templated})
		default:
			r.unknown(name)
		}
	case *expr.Counter, *expr.Log, *expr.FlowOffload, *expr.CtTimeout, *expr.CtHelper, *expr.CtExpect, *expr.SecMark:
		r.note(name)
	case *expr.Notrack:
		r.add(Step{Track: Untracked})
	case *expr.Queue, *expr.SynProxy, *expr.Masq:
		r.add(Step{Verdict: &Verdict{Kind: Taken}})
	case *expr.Target:
		r.target(e)
	default:
		r.other(name)
	}
}

// asked returns what a comparison compares.
func (r *ruleReader) asked(e expr.Any) load {
	switch e := e.(type) {
	case *expr.Cmp:
		return r.get(e.Register)
	case *expr.Range:
		return r.get(e.Register)
	}
	return load{}
}

// From linux/netfilter/nf_tables.h: NFT_OBJECT_COUNTER, NFT_OBJECT_CT_HELPER and so on.
const (
	objectCounter = 1
	objectHelper  = 3
	objectTimeout = 7
	objectSecMark = 8
	objectExpect  = 9
)

// other handles an expression that is not read further. If it loads a register, all registers
// become unknown, since it is not known which one.
func (r *ruleReader) other(name string) {
	switch name {
	case "last", "dup":
		r.note(name)
	case "fwd":
		r.add(Step{Verdict: &Verdict{Kind: Taken}})
	case "limit", "quota", "connlimit", "match":
		r.unknown(name)
	case "hash", "numgen", "rt", "socket", "osf", "xfrm", "tunnel", "exthdr", "inner":
		for i := range r.slots {
			r.slots[i] = load{field: Field(name), length: 4}
		}
		if name == "exthdr" || name == "osf" || name == "socket" {
			r.unknown(name) // it may end the rule, if the packet has no such thing
		}
	default:
		for i := range r.slots {
			r.slots[i] = load{field: Field(name), length: 4}
		}
		r.unknown(name)
	}
}

// target reads a target of iptables in a native table.
func (r *ruleReader) target(e *expr.Target) {
	switch name := e.Name; name {
	case "REJECT":
		r.add(Step{Verdict: &Verdict{Kind: Reject}})
	case "CT":
		to := Templated
		if info, ok := e.Info.(*xt.Unknown); ok && len(*info) > 1 && binary.NativeEndian.Uint16(*info)&ctNoTrack != 0 {
			to = Untracked
		}
		r.add(Step{Track: to})
	case "NOTRACK":
		r.add(Step{Track: Untracked})
	case "MARK", "CONNMARK":
		r.add(Step{Mark: &Mark{}})
	case "LOG", "NFLOG", "TCPMSS", "SET", "AUDIT", "CHECKSUM", "DSCP", "TOS":
		r.note(name)
	default:
		r.unknown(name)
	}
}

// ctNoTrack is XT_CT_NOTRACK, the first bit of struct xt_ct_target_info.
const ctNoTrack = 1

func (r *ruleReader) meta(e *expr.Meta) {
	if e.SourceRegister {
		if e.Key == expr.MetaKeyMARK {
			r.add(Step{Mark: &Mark{Value: r.get(e.Register).data}})
			return
		}
		r.note("meta set")
		return
	}
	field, ok := map[expr.MetaKey]Field{
		expr.MetaKeyL4PROTO: L4Proto, expr.MetaKeyNFPROTO: NFProto, expr.MetaKeyPROTOCOL: EtherType, expr.MetaKeyIIF: IIF, expr.MetaKeyIIFNAME: IIFName,
		expr.MetaKeyOIF: OIF, expr.MetaKeyOIFNAME: OIFName, expr.MetaKeyMARK: MarkField, expr.MetaKeyPKTTYPE: PktType,
	}[e.Key]
	if !ok {
		field = Field(fmt.Sprintf("meta key %d", e.Key))
	}
	r.put(e.Register, load{field: field, length: max(1, lengths[field])})
}

// payloadField returns the field at an offset of a header. In families for both kinds of IP, an
// earlier match of the rule says which one it is.
func (r *ruleReader) payloadField(e *expr.Payload) Field {
	is6 := r.family == IPv6 || r.family != IPv4 && r.is6
	at := func(offset, longest uint32) bool { return e.Offset == offset && e.Len <= longest }
	switch {
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 0 && e.Len == 2:
		return Sport
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		return Dport
	case e.Base != expr.PayloadBaseNetworkHeader:
	case !is6 && at(12, 4):
		return Saddr4
	case !is6 && at(16, 4):
		return Daddr4
	case is6 && at(8, 16):
		return Saddr6
	case is6 && at(24, 16):
		return Daddr6
	case !is6 && at(9, 1), is6 && at(6, 1):
		return L4Proto
	}
	name := fmt.Sprintf("payload %d,%d,%d", e.Base, e.Offset, e.Len)
	switch {
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 13 && e.Len == 1:
		name = "tcp flags"
	case e.Base == expr.PayloadBaseNetworkHeader && !is6 && at(8, 1):
		name = "ip ttl"
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 0 && e.Len == 1:
		name = "icmp type"
	}
	return Field(name)
}

func (r *ruleReader) bitwise(e *expr.Bitwise) {
	l := r.get(e.SourceRegister)
	if l.mask != nil || l.field == "" || len(e.Mask) == 0 || slices.ContainsFunc(e.Xor, func(b byte) bool { return b != 0 }) {
		l = load{field: "computed", length: int(e.Len)}
	}
	l.mask = e.Mask
	r.put(e.DestRegister, l)
}

// key returns what the registers from one on hold. How many of them belong to a key is only known
// with the set; see complete.
func (r *ruleReader) key(register uint32) (fields []Field) {
	s, ok := slot(register)
	for ok && s < registers && r.slots[s].length > 0 {
		l := r.slots[s]
		if l.mask != nil || lengths[l.field] != l.length {
			l.field = Field("part of " + string(l.name()))
		}
		fields = append(fields, l.field)
		s += max(1, (l.length+3)/4)
	}
	return fields
}

// lookup reads a lookup in a set.
func (r *ruleReader) lookup(e *expr.Lookup) {
	fields := r.key(e.SourceRegister)
	if len(fields) == 0 {
		r.unknown("lookup")
		return
	}
	if e.IsDestRegSet {
		if e.DestRegister == unix.NFT_REG_VERDICT {
			r.add(Step{Map: &Map{Fields: fields, Set: e.SetName}})
			return
		}
		r.put(e.DestRegister, load{field: "a value of @" + Field(e.SetName), length: 4})
	}
	r.match(Match{Fields: fields, Set: e.SetName, Not: e.Invert})
}

func (r *ruleReader) verdict(e *expr.Verdict) {
	if k, ok := kinds[int32(e.Kind)]; ok {
		r.add(Step{Verdict: &Verdict{Kind: k, Chain: e.Chain}})
	} else if e.Kind != expr.VerdictContinue && e.Kind != expr.VerdictBreak {
		r.add(Step{Verdict: &Verdict{Kind: Taken}})
	}
}

// kinds maps the numbers of verdicts, from linux/netfilter.h and linux/netfilter/nf_tables.h.
var kinds = map[int32]Kind{
	unix.NFT_RETURN: Return, unix.NFT_GOTO: Goto, unix.NFT_JUMP: Jump, 0: Drop, 1: Accept, // NF_DROP, NF_ACCEPT
}

func (r *ruleReader) nat(e *expr.NAT) {
	if e.Type != expr.NATTypeDestNAT {
		r.add(Step{Verdict: &Verdict{Kind: Taken}})
		return
	}
	n := &NAT{Family: families[byte(e.Family)], Local: e.RegAddrMin == 0} // only the port changes
	n.Port, n.AnyPort = r.port(e.RegProtoMin, e.RegProtoMax)
	if n.Local {
		n.Family = ""
		r.add(Step{NAT: n})
		return
	}
	if min := r.get(e.RegAddrMin); e.RegAddrMax == 0 || e.RegAddrMax == e.RegAddrMin || bytes.Equal(min.data, r.get(e.RegAddrMax).data) {
		n.To, _ = netip.AddrFromSlice(min.data)
	}
	r.add(Step{NAT: n})
}

// port returns the port in registers, 0 without one; unclear if it may be any of several.
func (r *ruleReader) port(min, max uint32) (port uint16, unclear bool) {
	if min == 0 {
		return 0, false
	}
	first := r.get(min).data
	if len(first) != 2 || max != 0 && max != min && !bytes.Equal(first, r.get(max).data) {
		return 0, true
	}
	return binary.BigEndian.Uint16(first), false
}

// dynset reads an expression that adds packets' values to a set. It matches each packet that the
// set has room for, unless it also counts.
func (r *ruleReader) dynset(e *expr.Dynset) {
	for _, inner := range e.Exprs {
		if _, ok := inner.(*expr.Counter); !ok {
			r.unknown("rate of @" + e.SetName)
			break
		}
	}
	r.add(Step{Add: &Add{Set: e.SetName, Fields: r.key(e.SrcRegKey), Not: e.Invert, Removes: e.Operation == dynsetDelete}})
}

// dynsetDelete is NFT_DYNSET_OP_DELETE.
const dynsetDelete = 2
