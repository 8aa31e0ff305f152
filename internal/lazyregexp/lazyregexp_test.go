package lazyregexp

import "testing"

func TestNew(t *testing.T) {
	a := New("a+")
	if a() != a() || a().FindString("baac") != "aa" {
		t.Error("it is not compiled once, or wrong")
	}
	defer func() {
		if recover() == nil {
			t.Error("a test program does not find the mistake in an expression")
		}
	}()
	New("(")
}
