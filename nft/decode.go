package nft

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Attributes that package unix does not have, from linux/netfilter/nf_tables.h.
const (
	nftaHookDevs        = 4    // NFTA_HOOK_DEVS
	nftaDeviceName      = 1    // NFTA_DEVICE_NAME
	nftaSetElemKeyEnd   = 10   // NFTA_SET_ELEM_KEY_END
	nftSetElemCatchall  = 2    // NFT_SET_ELEM_CATCHALL
	nftSetConcat        = 0x80 // NFT_SET_CONCAT
	setTypeBits         = 6    // of each part of NFTA_SET_KEY_TYPE, which only nft defines
	typeIPAddr          = 7    // TYPE_IPADDR of nft's datatype.h
	typeIP6Addr         = 8    // TYPE_IP6ADDR
	nftVerdictAttribute = unix.NFT_DATA_VERDICT
)

// hook returns the hook with a number in a family, from linux/netfilter.h.
func hook(f Family, n uint32) Hook {
	switch f {
	case Netdev:
		return map[uint32]Hook{0: Ingress, 1: Egress}[n]
	default:
		return map[uint32]Hook{0: Prerouting, 1: Input, 2: Forward, 3: Output, 4: Postrouting, 5: Ingress}[n]
	}
}

// decodeChain reads a chain and the name of its table.
func decodeChain(ad *netlink.AttributeDecoder, f Family) (c Chain, table string) {
	policy := uint32(1)
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_CHAIN_TABLE:
			table = ad.String()
		case unix.NFTA_CHAIN_NAME:
			c.Name = ad.String()
		case unix.NFTA_CHAIN_TYPE:
			c.Type = ad.String()
		case unix.NFTA_CHAIN_POLICY:
			policy = ad.Uint32()
		case unix.NFTA_CHAIN_HOOK:
			ad.Nested(func(h *netlink.AttributeDecoder) error {
				for h.Next() {
					switch h.Type() {
					case unix.NFTA_HOOK_HOOKNUM:
						if c.Hook = hook(f, h.Uint32()); c.Hook == "" {
							c.Hook = "another"
						}
					case unix.NFTA_HOOK_PRIORITY:
						c.Priority = int32(h.Uint32())
					case unix.NFTA_HOOK_DEV:
						c.device(h.String())
					case nftaHookDevs:
						h.Nested(func(d *netlink.AttributeDecoder) error {
							for d.Next() {
								if d.Type() == nftaDeviceName {
									c.device(d.String())
								}
							}
							return nil
						})
					}
				}
				return nil
			})
		}
	}
	c.Drops = c.Hook != "" && policy == 0 // NF_DROP
	return c, table
}

// device adds a device, which newer kernels name twice.
func (c *Chain) device(name string) {
	if !slices.Contains(c.Devices, name) {
		c.Devices = append(c.Devices, name)
	}
}

// decodeSet reads a set without its elements, and the name of its table.
func decodeSet(ad *netlink.AttributeDecoder) (s *Set, table string) {
	s = &Set{}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_TABLE:
			table = ad.String()
		case unix.NFTA_SET_NAME:
			s.Name = ad.String()
		case unix.NFTA_SET_KEY_LEN:
			s.KeyLength = int(ad.Uint32())
		case unix.NFTA_SET_KEY_TYPE:
			for t := ad.Uint32(); t != 0; t >>= setTypeBits {
				part := t & (1<<setTypeBits - 1)
				s.Addresses = s.Addresses || part == typeIPAddr || part == typeIP6Addr
			}
		case unix.NFTA_SET_DATA_TYPE:
			s.Verdicts = ad.Uint32() == nftVerdictAttribute
		case unix.NFTA_SET_FLAGS:
			flags := ad.Uint32()
			s.Anonymous, s.Interval = flags&unix.NFT_SET_ANONYMOUS != 0, flags&unix.NFT_SET_INTERVAL != 0
			s.Concat, s.Expires = flags&nftSetConcat != 0, flags&unix.NFT_SET_TIMEOUT != 0
		case unix.NFTA_SET_DESC:
			ad.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					if d.Type() == unix.NFTA_SET_DESC_SIZE {
						s.Size = int(d.Uint32())
					}
				}
				return nil
			})
		}
	}
	return s, table
}

// decodeElement reads an element of a set.
func decodeElement(ad *netlink.AttributeDecoder) (e rawElement) {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			e.key = dataValue(ad)
		case nftaSetElemKeyEnd:
			e.keyEnd = dataValue(ad)
		case unix.NFTA_SET_ELEM_FLAGS:
			flags := ad.Uint32()
			e.ends, e.rest = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0, flags&nftSetElemCatchall != 0
		case unix.NFTA_SET_ELEM_DATA:
			ad.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					if d.Type() == unix.NFTA_DATA_VERDICT {
						e.verdict = decodeVerdict(d)
					}
				}
				return nil
			})
		}
	}
	return e
}

// dataValue reads NFTA_DATA_VALUE.
func dataValue(ad *netlink.AttributeDecoder) (value []byte) {
	ad.Nested(func(d *netlink.AttributeDecoder) error {
		for d.Next() {
			if d.Type() == unix.NFTA_DATA_VALUE {
				value = d.Bytes()
			}
		}
		return nil
	})
	return value
}

// decodeVerdict reads a verdict. It returns nil if the rule goes on after it.
func decodeVerdict(ad *netlink.AttributeDecoder) *Verdict {
	v, ends := &Verdict{Kind: Taken}, true
	ad.Nested(func(d *netlink.AttributeDecoder) error {
		for d.Next() {
			switch d.Type() {
			case unix.NFTA_VERDICT_CODE:
				code := int32(d.Uint32())
				if k, ok := kinds[code]; ok {
					v.Kind = k
				}
				ends = code != int32(expr.VerdictContinue) && code != int32(expr.VerdictBreak)
			case unix.NFTA_VERDICT_CHAIN:
				v.Chain = d.String()
			}
		}
		return nil
	})
	if !ends {
		return nil
	}
	return v
}

// decodeRule reads a rule, and the names of its table and chain.
func decodeRule(ad *netlink.AttributeDecoder, f Family) (r Rule, table, chain string) {
	reader := &ruleReader{family: f}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			chain = ad.String()
		case unix.NFTA_RULE_HANDLE:
			r.Handle = ad.Uint64()
		case unix.NFTA_RULE_EXPRESSIONS:
			ad.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					list.Nested(func(e *netlink.AttributeDecoder) error {
						reader.expression(decodeExpression(e))
						return nil
					})
				}
				return nil
			})
		}
	}
	r.Steps, r.Native = reader.steps, reader.native
	return r, table, chain
}

// decodeExpression returns the name of an expression, and its own attributes.
func decodeExpression(ad *netlink.AttributeDecoder) (name string, data []byte) {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			name = ad.String()
		case unix.NFTA_EXPR_DATA:
			data = ad.Bytes()
		}
	}
	return name, data
}

// expression reads one expression.
func (r *ruleReader) expression(name string, data []byte) {
	if name == "byteorder" { // the library does not read it
		r.byteOrder(data)
		return
	}
	e := newExpression(name)
	if e == nil || expr.Unmarshal(number(r.family), data, e) != nil {
		r.other(name)
		return
	}
	// An immediate for the verdict's register is a verdict.
	if i, ok := e.(*expr.Immediate); ok && i.Register == unix.NFT_REG_VERDICT {
		v := &expr.Verdict{}
		if expr.Unmarshal(number(r.family), data, v) != nil {
			r.unknown(name)
			return
		}
		e = v
	}
	r.read(name, e)
}

// byteOrder reads an expression that reverses the bytes of a register.
func (r *ruleReader) byteOrder(data []byte) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		r.other("byteorder")
		return
	}
	ad.ByteOrder = binary.BigEndian
	var from, to uint32
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_BYTEORDER_SREG:
			from = ad.Uint32()
		case unix.NFTA_BYTEORDER_DREG:
			to = ad.Uint32()
		}
	}
	l := r.get(from)
	if lengths[l.field] != 1 { // the order of one byte does not matter
		l.field, l.mask, l.data = "byteorder of "+l.name(), nil, nil
	}
	r.put(to, l)
}

// newExpression returns an empty expression for a name of the kernel's, or nil if such
// expressions are not read.
func newExpression(name string) expr.Any {
	switch name {
	case "meta":
		return &expr.Meta{}
	case "payload":
		return &expr.Payload{}
	case "ct":
		return &expr.Ct{}
	case "fib":
		return &expr.Fib{}
	case "immediate":
		return &expr.Immediate{}
	case "bitwise":
		return &expr.Bitwise{}
	case "cmp":
		return &expr.Cmp{}
	case "range":
		return &expr.Range{}
	case "lookup":
		return &expr.Lookup{}
	case "reject":
		return &expr.Reject{}
	case "nat":
		return &expr.NAT{}
	case "redir":
		return &expr.Redir{}
	case "dynset":
		return &expr.Dynset{}
	case "objref":
		return &expr.Objref{}
	case "counter":
		return &expr.Counter{}
	case "log":
		return &expr.Log{}
	case "notrack":
		return &expr.Notrack{}
	case "flow_offload":
		return &expr.FlowOffload{}
	case "queue":
		return &expr.Queue{}
	case "synproxy":
		return &expr.SynProxy{}
	case "masq":
		return &expr.Masq{}
	case "target":
		return &expr.Target{}
	}
	return nil
}

// complete looks up how many fields the keys of a rule's sets have: a rule names only the register
// in which they begin.
func complete(r *Rule, t *Table) {
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.Match != nil && s.Match.Set != "":
			s.Match.Fields = keyFields(s.Match.Fields, t.Sets[s.Match.Set])
		case s.Add != nil && len(s.Add.Fields) > 0:
			s.Add.Fields = keyFields(s.Add.Fields, t.Sets[s.Add.Set])
		case s.Map != nil:
			s.Map.Fields = keyFields(s.Map.Fields, t.Sets[s.Map.Set])
		}
	}
}

// keyFields returns as many of the fields as the keys of a set have.
func keyFields(fields []Field, s *Set) []Field {
	if s == nil {
		return fields[:1]
	}
	for i, length := 0, 0; i < len(fields); i++ {
		if length += (max(1, lengths[fields[i]]) + 3) / 4 * 4; length >= s.KeyLength {
			return fields[:i+1]
		}
	}
	return fields
}
