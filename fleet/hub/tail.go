package hub

import (
	"slices"
	"time"
)

// tail is the end of what has been read from a stream, by which a reader finds out later whether the
// stream continues it. A hub that has lost its last writes, or that came back from a copy, has the same
// stream by name and creation, and soon as many messages as before; then "all after the last sequence"
// misses what the others have said anew.
//
// A stream with one message a subject has, from the tail's first sequence to its last one, exactly the
// tail's messages, but for those that later ones have replaced. So a reader starts at the tail's first
// sequence. This is proved to be another stream:
//   - one that ends before the tail does,
//   - one with a message up there that is not in the tail, or with another time,
//   - one without a message of the tail that no later one has replaced.
//
// It is not proved if each message of the tail that was lost has been replaced, and those of the other
// history up there, too. Then the hosts concerned have said what is in these slots anew. What was lost
// and lies before the tail may be missed until its host says that slot next; no ban lasts longer for it.
type tail struct {
	ends []end // by sequence, each subject once
}

// end is a message of the tail.
type end struct {
	seq     uint64
	subject string
	at      time.Time // when the hub stored it
}

// tailLength is how many messages are read once more after each lost connection.
const tailLength = 32

// first returns where to read on: 0 if nothing has been read.
func (t *tail) first() uint64 {
	if len(t.ends) == 0 {
		return 0
	}
	return t.ends[0].seq
}

func (t *tail) last() uint64 {
	if len(t.ends) == 0 {
		return 0
	}
	return t.ends[len(t.ends)-1].seq
}

// add takes a message that has been read, the next one by sequence.
func (t *tail) add(e end) {
	t.ends = slices.DeleteFunc(t.ends, func(old end) bool { return old.subject == e.subject })
	if len(t.ends) == tailLength {
		t.ends = slices.Delete(t.ends, 0, 1)
	}
	t.ends = append(t.ends, e)
}

// resumed compares a stream, read on from the first one of a tail, with it.
type resumed struct {
	missing []end
	last    uint64
}

func (t *tail) resume() resumed { return resumed{slices.Clone(t.ends), t.last()} }

// see takes the next message that was read. It reports whether it is new, and whether it can be of the
// stream that was read before.
func (r *resumed) see(e end) (fresh, same bool) {
	i := slices.IndexFunc(r.missing, func(old end) bool { return old.subject == e.subject })
	switch {
	case e.seq > r.last:
		if i >= 0 {
			r.missing = slices.Delete(r.missing, i, i+1)
		}
		return true, true
	case i < 0 || r.missing[i].seq != e.seq || !r.missing[i].at.Equal(e.at):
		return false, false
	}
	r.missing = slices.Delete(r.missing, i, i+1)
	return false, true
}

// whole reports whether nothing of the tail is missing, when all has been read.
func (r *resumed) whole() bool { return len(r.missing) == 0 }
