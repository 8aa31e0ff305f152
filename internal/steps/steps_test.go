package steps

import (
	"context"
	"errors"
	"testing"
)

func TestLeft(t *testing.T) {
	l := New(t.Context(), 3)
	for i, want := range []bool{true, true, false, false} {
		if got := l.Take(1); got != want || l.Out() == want {
			t.Errorf("step %d: %v, out %v", i, got, l.Out())
		}
	}
	if l.Taken() != 3 {
		t.Errorf("%d taken of 3", l.Taken())
	}
	if l.Renew(); !l.Take(2) || l.Take(9) || l.Taken() != 3 {
		t.Errorf("renewed: %+v", l)
	}
	if l.Renew(); !l.Take(1) {
		t.Error("nothing is left")
	}
	if l.End(); !l.Out() || l.Take(0) {
		t.Error("it goes on behind the end")
	}
	var endless *Left
	endless.End()
	if endless.Renew(); !endless.Take(1<<40) || endless.Out() {
		t.Error("what has no end has ended")
	}
	ctx, cancel := context.WithCancel(t.Context())
	l = New(ctx, 1<<40)
	if !l.Take(1) {
		t.Error("nothing is left at the beginning")
	}
	cancel()
	n := 0
	for l.Take(1) {
		n++
	}
	if n > lookEvery {
		t.Errorf("%d steps after the end of who asks", n)
	}
	tooMany := errors.New("too many")
	if err := l.Err(tooMany); !errors.Is(err, context.Canceled) {
		t.Errorf("a search that nobody waits for ended with %v", err)
	}
	if l = New(ctx, 1<<40); l.Take(1) {
		t.Error("a search begins that nobody waits for")
	}
	l = New(t.Context(), 1)
	if err := l.Err(tooMany); err != nil {
		t.Errorf("with a step left: %v", err)
	}
	if l.Take(1); l.Err(tooMany) != tooMany {
		t.Errorf("without a step: %v", l.Err(tooMany))
	}
	if err := endless.Err(tooMany); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
