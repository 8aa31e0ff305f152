package page

import (
	"maps"
	"slices"
	"strings"
)

// stepTable is about the benchmarks of the packages.
func (r Results) stepTable() string {
	t := table{head: []string{"step", "µs", "bytes", "allocations", "its own figures"}}
	for _, s := range r.Steps {
		var own []string
		for _, unit := range slices.Sorted(maps.Keys(s.Own)) {
			own = append(own, number(s.Own[unit])+" "+unit)
		}
		t.add(s.Package+" "+s.Name, number(s.Nanos/1000), thousands(int(s.Bytes)), thousands(int(s.Allocs)), strings.Join(own, ", "))
	}
	return t.String()
}
