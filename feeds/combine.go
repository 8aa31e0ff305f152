package feeds

import "github.com/voipbl/voipbl/cidr"

// Combine returns the union of all feeds and of what is kept. It clears the feeds' own sets, to
// free their memory.
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
