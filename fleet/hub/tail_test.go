package hub

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// history is a stream with one message a subject.
type history []end

func (h *history) say(subject int, at int) {
	last := uint64(0)
	if n := len(*h); n > 0 {
		last = (*h)[n-1].seq
	}
	e := end{last + 1, fmt.Sprint(subject), time.Unix(int64(at), 0)}
	*h = append(slices.DeleteFunc(*h, func(old end) bool { return old.subject == e.subject }), e)
}

// read reads a stream on, and reports whether it can be the one that was read.
func read(t *tail, h history) bool {
	r := t.resume()
	for _, e := range h {
		if e.seq < t.first() {
			continue
		}
		switch fresh, same := r.see(e); {
		case !same:
			return false
		case fresh:
			t.add(e)
		}
	}
	return r.whole()
}

// TestTailSame: a stream that goes on is never taken for another one, and all that is new in it is read.
func TestTailSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h history
		var at tail
		subjects := rapid.IntRange(1, 2*tailLength).Draw(t, "subjects")
		for round := range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for i := range rapid.IntRange(0, 3*tailLength).Draw(t, "messages") {
				h.say(rapid.IntRange(0, subjects-1).Draw(t, "subject"), round*1000+i)
			}
			if !read(&at, h) {
				t.Fatalf("round %d: taken for another stream", round)
			}
			want := h[max(0, len(h)-tailLength):]
			if !slices.Equal(at.ends, []end(want)) && len(at.ends)+len(want) > 0 {
				t.Fatalf("round %d: the tail is\n%v, not\n%v", round, at.ends, want)
			}
		}
	})
}

// TestTailOther: a stream that has lost its end and got another one is noticed, unless each message that
// was lost has been replaced.
func TestTailOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const subjects = 2 * tailLength
		draw := func(h *history, at int, least, most int) {
			for i := range rapid.IntRange(least, most).Draw(t, "messages") {
				h.say(rapid.IntRange(0, subjects-1).Draw(t, "subject"), at+i)
			}
		}
		var h history
		draw(&h, 1000, 1, 100)
		backup := slices.Clone(h)
		draw(&h, 2000, 1, 20)
		var at tail
		if !read(&at, h) {
			t.Fatal("the first reading")
		}
		before := at.resume()
		draw(&backup, 3000, 1, 60)
		replaced := true
		for _, e := range before.missing {
			replaced = replaced && (slices.Contains(backup, e) || slices.ContainsFunc(backup, func(b end) bool { return b.subject == e.subject && b.seq > before.last }))
		}
		if read(&at, backup) && !replaced {
			t.Fatal("not noticed")
		}
	})
}
