package nft

import (
	"context"
	"maps"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Listing is what the tools of iptables should list of a family, at one moment.
type Listing struct {
	Generation uint32 // of all rules of nf_tables
	Tables     map[string]map[string]ListedChain
}

// ListedChain is a chain that the tools list.
type ListedChain struct {
	Rules int
	Drops bool // its policy drops
}

// Listed asks the kernel what the tools of iptables should list of a family. If the kernel has no
// memory to answer them, those tools omit a chain or a whole table and still exit with 0.
func Listed(ctx context.Context, f Family) (l *Listing, err error) {
	l = new(Listing)
	l.Generation, err = settled(ctx, Options{}, func(k *kernel) (err error) {
		l.Tables, err = k.listed(f)
		return err
	})
	return l, err
}

// listed counts table by table, since native tables beside them may have very many rules.
func (k *kernel) listed(f Family) (map[string]map[string]ListedChain, error) {
	tables := make(map[string]map[string]ListedChain)
	err := k.ask(unix.NFT_MSG_GETCHAIN, netlink.Dump, number(f), nil, func(_ byte, ad *netlink.AttributeDecoder) error {
		c, name := decodeChain(ad, f)
		if t := (&Table{Family: f, Name: name}); !OfIPTables(f, name) || c.Hook != "" && !t.isShown(&c) {
			return nil
		}
		if tables[name] == nil {
			tables[name] = make(map[string]ListedChain)
		}
		tables[name][c.Name] = ListedChain{Drops: c.Drops}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		err := k.ask(unix.NFT_MSG_GETRULE, netlink.Dump, number(f), []netlink.Attribute{text(unix.NFTA_RULE_TABLE, name)}, func(_ byte, ad *netlink.AttributeDecoder) error {
			var table, chain string
			for ad.Next() {
				switch ad.Type() {
				case unix.NFTA_RULE_TABLE:
					table = ad.String()
				case unix.NFTA_RULE_CHAIN:
					chain = ad.String()
				}
			}
			if c, listed := tables[name][chain]; listed && table == name {
				c.Rules++
				tables[name][chain] = c
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return tables, nil
}
