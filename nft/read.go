package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/keptsocket"
)

// Options say what to read besides the rules.
type Options struct {
	// Elements has the members of all sets read. Without it, sets of addresses, which may be
	// large, are left out; it is then not known who is in them.
	Elements bool

	// IPTables reports whether to read all of a table that the tools of iptables may have made:
	// "filter" of ip, say, if those tools cannot show it. Of other such tables, only what the
	// tools leave out or show wrong is read. Nil means no table.
	IPTables func(f Family, name string) bool
}

// permissionError says that this process may not read the rules.
type permissionError struct{ Err error }

func (e *permissionError) Error() string { return fmt.Sprintf("read the rules of nftables: %v", e.Err) }

func (e *permissionError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (*permissionError) Remedy() string { return "run it as root" }

// ChangingError says that the rules changed each time while they were read.
type ChangingError struct{}

func (ChangingError) Error() string { return "read the rules of nftables: they change all the time" }

// Remedy says what to do about it.
func (ChangingError) Remedy() string {
	return "\"nft monitor\" names the process that changes the rules (\"by process\"; with legacy iptables look for a job or a service that runs it): stop it, and try again"
}

// ErrChanging is the only value of its type.
var ErrChanging ChangingError

// tries is how often rules that changed while they were read are read again.
const tries = 10

// Read reads the native tables of the calling goroutine's network namespace. The result shows one
// moment. A kernel without nf_tables has no tables.
func Read(ctx context.Context, o Options) (*Ruleset, error) {
	r := new(Ruleset)
	generation, err := settled(ctx, o, func(k *kernel) (err error) {
		r.Tables, r.Misread, err = k.tables()
		return err
	})
	if err != nil {
		return nil, err
	}
	r.Generation = generation
	return r, r.nameDevices()
}

// settled reads until nothing has changed during the reading, and returns the generation that was
// read. It does not read a kernel without nf_tables.
func settled(ctx context.Context, o Options, read func(*kernel) error) (generation uint32, err error) {
	dialled := false
	err = sockets.Use(func(conn *netlink.Conn) (err error) {
		dialled = true
		generation, err = settledBy(ctx, &kernel{conn, o}, read)
		return err
	})
	if err != nil && !dialled {
		err = readError(err)
	}
	return generation, err
}

var sockets = keptsocket.Kept[*netlink.Conn]{
	Open:  func() (*netlink.Conn, error) { return netlink.Dial(unix.NETLINK_NETFILTER, nil) },
	Close: func(conn *netlink.Conn) { conn.Close() },
}

func settledBy(ctx context.Context, k *kernel, read func(*kernel) error) (generation uint32, err error) {
	deadline, _ := ctx.Deadline() // none is the zero time, which takes away that of the last time
	if err := k.SetDeadline(deadline); err != nil {
		return 0, failed(err)
	}
	for range tries {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		before, err := k.generation()
		if err != nil {
			return 0, readError(err)
		}
		readErr := read(k)
		if readErr != nil && !errors.Is(readErr, os.ErrNotExist) { // not: a table or set that was removed meanwhile
			return 0, failed(readErr)
		}
		after, err := k.generation()
		if err != nil {
			return 0, failed(err)
		}
		if readErr == nil && before == after {
			return after, nil
		}
	}
	return 0, ErrChanging
}

// readError returns why the kernel does not answer the first request. Without nf_tables there are
// no rules, which is no error; once the kernel has answered, it has nf_tables.
func readError(err error) error {
	for _, none := range []error{unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EINVAL} {
		if errors.Is(err, none) {
			return nil
		}
	}
	return failed(err)
}

func failed(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return &permissionError{err}
	}
	return fmt.Errorf("read the rules of nftables: %w", err)
}

// kernel sends requests to nf_tables.
type kernel struct {
	*netlink.Conn
	Options
}

// nfgenmsgLength is the size of struct nfgenmsg, which begins each message.
const nfgenmsgLength = 4

// families are the numbers of families, from linux/netfilter.h.
var families = map[byte]Family{1: Inet, 2: IPv4, 3: ARP, 5: Netdev, 7: Bridge, 10: IPv6}

func number(f Family) byte {
	for n, name := range families {
		if name == f {
			return n
		}
	}
	return 0
}

// ask sends a request about a table and calls each with the attributes of each answer.
func (k *kernel) ask(message uint16, flags netlink.HeaderFlags, family byte, attrs []netlink.Attribute, each func(family byte, ad *netlink.AttributeDecoder) error) error {
	data, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		return err
	}
	answers, err := k.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message), Flags: netlink.Request | flags},
		Data:   append([]byte{family, unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if err != nil {
		return err
	}
	for _, m := range answers {
		if len(m.Data) < nfgenmsgLength {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[nfgenmsgLength:])
		if err != nil {
			return err
		}
		ad.ByteOrder = binary.BigEndian
		if err := each(m.Data[0], ad); err != nil {
			return err
		}
		if err := ad.Err(); err != nil {
			return err
		}
	}
	return nil
}

func text(typ uint16, s string) netlink.Attribute {
	return netlink.Attribute{Type: typ, Data: append([]byte(s), 0)}
}

// generation returns the number of the rules' current state, which each change raises.
func (k *kernel) generation() (id uint32, err error) {
	err = k.ask(unix.NFT_MSG_GETGEN, 0, 0, nil, func(_ byte, ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			if ad.Type() == unix.NFTA_GEN_ID {
				id = ad.Uint32()
			}
		}
		return nil
	})
	return id, err
}

// tables reads all tables that are wanted.
func (k *kernel) tables() (all []Table, wrong []Misread, err error) {
	err = k.ask(unix.NFT_MSG_GETTABLE, netlink.Dump, 0, nil, func(family byte, ad *netlink.AttributeDecoder) error {
		t := Table{Family: families[family], Sets: map[string]*Set{}}
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_TABLE_NAME:
				t.Name = ad.String()
			case unix.NFTA_TABLE_FLAGS:
				t.Dormant = ad.Uint32()&unix.NFT_TABLE_F_DORMANT != 0
			}
		}
		if t.Family != "" {
			all = append(all, t)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		t := &all[i]
		if err := k.chains(t); err != nil {
			return nil, nil, err
		}
		if err := k.content(t); err != nil {
			return nil, nil, err
		}
	}
	all = slices.DeleteFunc(all, func(t Table) bool {
		if !k.shownByIPTables(&t) {
			return false
		}
		misread, left := t.hideShown()
		wrong = append(wrong, misread...)
		return !left
	})
	return all, wrong, nil
}

// shownByIPTables reports whether the tools of iptables show their part of a table.
func (k *kernel) shownByIPTables(t *Table) bool {
	return OfIPTables(t.Family, t.Name) && (k.IPTables == nil || !k.IPTables(t.Family, t.Name))
}

// OfIPTables reports whether a table has a name that the tools of iptables use.
func OfIPTables(f Family, name string) bool {
	switch f {
	case IPv4, IPv6:
		return name == "filter" || name == "nat" || name == "mangle" || name == "raw" || name == "security"
	case ARP:
		return name == "filter"
	case Bridge:
		return name == "filter" || name == "nat" || name == "broute"
	}
	return false
}

// chains reads the chains of a table, without their rules.
func (k *kernel) chains(t *Table) error {
	return k.ask(unix.NFT_MSG_GETCHAIN, netlink.Dump, number(t.Family), nil, func(_ byte, ad *netlink.AttributeDecoder) error {
		c, table := decodeChain(ad, t.Family)
		if table == t.Name {
			t.Chains = append(t.Chains, c)
		}
		return nil
	})
}

// content reads the sets and rules of a table whose chains are known.
func (k *kernel) content(t *Table) error {
	t.index()
	family := number(t.Family)
	err := k.ask(unix.NFT_MSG_GETSET, netlink.Dump, family, []netlink.Attribute{text(unix.NFTA_SET_TABLE, t.Name)}, func(_ byte, ad *netlink.AttributeDecoder) error {
		if s, table := decodeSet(ad); table == t.Name {
			t.Sets[s.Name] = s
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range t.Sets {
		if !k.Elements && s.Addresses && !s.Anonymous && !s.Verdicts {
			continue
		}
		if err := k.elements(t, s); err != nil {
			return err
		}
	}
	return k.ask(unix.NFT_MSG_GETRULE, netlink.Dump, family, []netlink.Attribute{text(unix.NFTA_RULE_TABLE, t.Name)}, func(_ byte, ad *netlink.AttributeDecoder) error {
		r, table, chain := decodeRule(ad, t.Family)
		if c := t.Chain(chain); c != nil && table == t.Name {
			complete(&r, t)
			c.Rules = append(c.Rules, r)
		}
		return nil
	})
}

// elements reads the members of a set.
func (k *kernel) elements(t *Table, s *Set) error {
	var raw []rawElement
	attrs := []netlink.Attribute{text(unix.NFTA_SET_ELEM_LIST_TABLE, t.Name), text(unix.NFTA_SET_ELEM_LIST_SET, s.Name)}
	err := k.ask(unix.NFT_MSG_GETSETELEM, netlink.Dump, number(t.Family), attrs, func(_ byte, ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			if ad.Type() == unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				ad.Nested(func(list *netlink.AttributeDecoder) error {
					for list.Next() {
						list.Nested(func(e *netlink.AttributeDecoder) error {
							raw = append(raw, decodeElement(e))
							return nil
						})
					}
					return nil
				})
			}
		}
		return nil
	})
	s.setElements(raw)
	return err
}
