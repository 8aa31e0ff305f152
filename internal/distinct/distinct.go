// Package distinct is for lists in which everything is to be once. It does not sort.
package distinct

// Of is a list with each of its values once, where it stood first. It is never nil.
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
