package agent

import "github.com/voipbl/voipbl/cidr"

// combine is the union of all feeds, and of what is kept. They give up their own sets, so
// that the memory is there for what follows.
func combine(feeds []*feed, kept []Kept) cidr.Sets {
	var all []cidr.Sets
	for _, f := range feeds {
		all = append(all, f.sets)
		f.sets, f.before = cidr.Sets{}, cidr.Sets{}
	}
	for i := range kept {
		all = append(all, kept[i].sets)
		kept[i].sets = cidr.Sets{}
	}
	return cidr.Union(all...)
}
