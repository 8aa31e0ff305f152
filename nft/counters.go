package nft

import (
	"context"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ChainName names a chain of a table.
type ChainName struct {
	Family       Family
	Table, Chain string
}

// Count is what a rule has counted.
type Count struct{ Packets, Bytes uint64 }

// Counts asks the kernel what the rules of some chains have counted, in their order. A chain that
// does not exist has no rules.
func Counts(ctx context.Context, chains []ChainName) (counts map[ChainName][]Count, err error) {
	_, err = settled(ctx, Options{}, func(k *kernel) error {
		counts = make(map[ChainName][]Count)
		for _, c := range chains {
			if counts[c], err = k.counts(c); err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}

func (k *kernel) counts(c ChainName) (counts []Count, err error) {
	attrs := []netlink.Attribute{text(unix.NFTA_RULE_TABLE, c.Table), text(unix.NFTA_RULE_CHAIN, c.Chain)}
	err = k.ask(unix.NFT_MSG_GETRULE, netlink.Dump, number(c.Family), attrs, func(_ byte, ad *netlink.AttributeDecoder) error {
		var of Count
		var table, chain string
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_RULE_TABLE:
				table = ad.String()
			case unix.NFTA_RULE_CHAIN:
				chain = ad.String()
			case unix.NFTA_RULE_EXPRESSIONS:
				ad.Nested(func(list *netlink.AttributeDecoder) error {
					for list.Next() {
						list.Nested(func(e *netlink.AttributeDecoder) error {
							return of.read(decodeExpression(e))
						})
					}
					return nil
				})
			}
		}
		if table == c.Table && chain == c.Chain {
			counts = append(counts, of)
		}
		return nil
	})
	return counts, err
}

// read takes the numbers of an expression, if it is a counter.
func (c *Count) read(name string, data []byte) error {
	if name != "counter" {
		return nil
	}
	var counter expr.Counter
	if err := expr.Unmarshal(0, data, &counter); err != nil {
		return err
	}
	c.Packets, c.Bytes = counter.Packets, counter.Bytes
	return nil
}
