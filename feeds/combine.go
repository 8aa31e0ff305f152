package feeds

import "github.com/voipbl/voipbl/cidr"

// Combine is the union of all feeds, and of what is kept. They give up their own sets, so
// that the memory is there for what follows.
func Combine(feeds []*Feed, kept []Kept) cidr.Sets {
	var all []cidr.Sets
	for _, f := range feeds {
		all = append(all, f.sets)
		f.sets, f.before = cidr.Sets{}, cidr.Sets{}
	}
	for i := range kept {
		all = append(all, kept[i].Sets)
		kept[i].Sets = cidr.Sets{}
	}
	return cidr.Union(all...)
}
