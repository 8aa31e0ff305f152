package config

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// maxTypo is how many letters a misspelt key may differ from the one suggested. Two letters
// in the wrong order count as two.
const maxTypo = 2

// suggest returns the hint for an unknown key or word.
func suggest(name string, known []string) string {
	best, bestDistance := "", maxTypo+1
	for _, k := range known {
		if d := distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "expected one of " + strings.Join(known, ", ")
}

// suggestKey returns the hint for an unknown key. known are the keys allowed in its place;
// the key may belong elsewhere.
func suggestKey(name string, known []string) string {
	if places := keyPlaces()[name]; len(places) == 1 && places[0] != name {
		return fmt.Sprintf("did you mean %q?", places[0])
	}
	return suggest(name, known)
}

// keyPlaces maps each key to the places where it may be written, such as
// "firewall.base" and "feeds[].url".
var keyPlaces = sync.OnceValue(func() map[string][]string {
	places := make(map[string][]string)
	var each func(t reflect.Type, above string)
	each = func(t reflect.Type, above string) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			if t.Kind() == reflect.Slice {
				above = strings.TrimSuffix(above, ".") + "[]."
			}
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for f := range t.Fields() {
			name := keyName(f)
			places[name] = append(places[name], above+name)
			each(f.Type, above+name+".")
		}
	}
	each(reflect.TypeFor[rawConfig](), "")
	return places
})

// distance returns how many letters must be added, removed or replaced to turn a into b
// (Levenshtein), or a number above maxTypo if their lengths alone differ by more than that.
func distance(a, b string) int {
	if d := len(a) - len(b); d > maxTypo || -d > maxTypo {
		return maxTypo + 1
	}
	row := make([]int, len(b)+1) // the distances of a[:i] to every b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
