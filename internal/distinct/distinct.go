// Package distinct removes duplicates from lists. It does not sort. asterisk and pbx
// use it; it imports nothing of voipbl.
package distinct

// Of returns a list with each value only at its first place. The result is never nil.
func Of[T comparable](all []T) []T {
	seen := make(map[T]bool, len(all))
	kept := make([]T, 0, len(all))
	for _, x := range all {
		if !seen[x] {
			seen[x] = true
			kept = append(kept, x)
		}
	}
	return kept
}
