package bounded

import (
	"testing"

	"pgregory.net/rapid"
)

// TestTable compares a table with a slow one: a list of its entries, from the oldest to the newest.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type pair struct {
			key   uint64
			value int
			gone  bool // it still takes a place
		}
		places := rapid.IntRange(1, 200).Draw(t, "places")
		table, slow := NewTable[int](places), []pair(nil)
		key := rapid.OneOf(rapid.Uint64Range(1, 9), rapid.Uint64Range(1, 299))
		find := func(k uint64) *pair {
			for i := range slow {
				if slow[i].key == k && !slow[i].gone {
					return &slow[i]
				}
			}
			return nil
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), rapid.Int().Draw(t, "value")
				table.Put(k, v)
				if p := find(k); p != nil {
					p.value = v
					return
				}
				slow = append(slow, pair{key: k, value: v})
				if len(slow) > places {
					slow = slow[1:]
				}
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				table.Remove(k)
				if p := find(k); p != nil {
					p.gone = true
				}
			},
			"clear": func(*rapid.T) {
				table.Clear()
				slow = nil
			},
			"": func(t *rapid.T) {
				there := 0
				for k := range uint64(300) {
					v, ok := table.Get(k)
					p := find(k)
					if ok != (p != nil) || ok && v != p.value {
						t.Fatalf("key %d: %d, %v; want %+v", k, v, ok, p)
					}
					if ok {
						there++
					}
				}
				if table.Len() != there || there > places {
					t.Fatalf("%d entries in %d places, %d are found", table.Len(), places, there)
				}
			},
		})
	})
}
