package testshare

import (
	"fmt"
	"slices"
	"testing"
)

func TestShare(t *testing.T) {
	rows := []int{0, 1, 2, 3, 4, 5, 6}
	if got := share(true, "TestA", 2, rows); !slices.Equal(got, rows) {
		t.Errorf("all: %v", got)
	}
	if got := share(false, "TestA", 1, rows); !slices.Equal(got, rows) {
		t.Errorf("each: %v", got)
	}
	if got := share(false, "TestA", 3, rows[:1]); len(got) != 1 {
		t.Errorf("the only row is left out: %v", got)
	}
	if got := share(false, "TestA", 3, rows[:0]); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	begins := map[int]bool{}
	for i := range 30 {
		name := fmt.Sprintf("Test%d", i)
		got := share(false, name, 3, rows)
		if !slices.Equal(got, share(false, name, 3, rows)) {
			t.Errorf("%s takes other rows each time", name)
		}
		for i := 1; i < len(got); i++ {
			if got[i]-got[i-1] != 3 {
				t.Errorf("%s takes %v", name, got)
			}
		}
		begins[got[0]] = true
	}
	if len(begins) != 3 {
		t.Errorf("tests begin with %v only", begins)
	}
}
