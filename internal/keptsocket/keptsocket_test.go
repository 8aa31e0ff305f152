package keptsocket_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/internal/keptsocket"
	"github.com/voipbl/voipbl/internal/procself"
)

// TestUse: a socket is used again if its question was answered, and by one at a time. Where threads are
// in several network namespaces none is.
func TestUse(t *testing.T) {
	var opened, used int
	var closed []int
	var refused error
	k := &keptsocket.Kept[int]{
		Open:  func() (int, error) { opened++; return opened, refused },
		Close: func(n int) { closed = append(closed, n) },
	}
	ask := func(answer error) {
		t.Helper()
		if err := k.Use(func(n int) error { used = n; return answer }); !errors.Is(err, answer) {
			t.Errorf("%v, not %v", err, answer)
		}
	}
	is := func(what string, wantUsed int, wantClosed ...int) {
		t.Helper()
		if used != wantUsed || !slices.Equal(closed, wantClosed) {
			t.Errorf("%s: used %d, closed %v; want %d, %v", what, used, closed, wantUsed, wantClosed)
		}
	}
	broken := errors.New("broken")
	ask(nil)
	is("the first", 1)
	ask(nil)
	is("again", 1)
	ask(broken)
	is("a question that fails", 1, 1)
	ask(nil)
	is("after that", 2, 1)
	k.Use(func(a int) error {
		return k.Use(func(b int) error {
			return k.Use(func(c int) error {
				if a != 2 || b != 3 || c != 4 {
					t.Errorf("at once: %d, %d, %d", a, b, c)
				}
				return nil
			})
		})
	})
	is("three at once", 2, 1, 2) // two are enough to keep
	refused = broken
	k.Use(func(int) error {
		return k.Use(func(int) error {
			if err := k.Use(func(int) error { t.Error("asked"); return nil }); !errors.Is(err, broken) {
				t.Errorf("not opened: %v", err)
			}
			return nil
		})
	})
	is("one that cannot be opened", 2, 1, 2)
	refused = nil
	procself.Mixed()
	ask(nil)
	is("in another namespace", 6, 1, 2, 6)
	ask(nil)
	is("and again", 7, 1, 2, 6, 7)
}
