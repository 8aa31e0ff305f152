package iptables

// A DropPlace is a chain in which the drop may stand.
type DropPlace struct {
	Table, Chain string
	Hook         int // of the chain in the kernel (linux/netfilter.h: NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN)
}

// DropPlaces are the places of the drop, in the order in which packets for this host reach them.
var DropPlaces = [...]DropPlace{{"raw", "PREROUTING", 0}, {"filter", "INPUT", 1}}

// IsDropPlace reports whether the drop may stand in a chain.
func IsDropPlace(table, chain string) bool {
	for _, at := range DropPlaces {
		if at.Table == table && at.Chain == chain {
			return true
		}
	}
	return false
}
