package fetch

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRestage: whatever was written before, and whatever is written now in pieces of any size,
// the copy is in the end what was written, and it is written again only if it differs.
func TestRestage(t *testing.T) {
	s := openStore(t)
	body := rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat(rapid.StringOfN(rapid.RuneFrom([]rune("ab\n")), 0, 5, -1).Draw(t, "line"), rapid.SampledFrom([]int{1, 2, bufferSize}).Draw(t, "times"))
	})
	rapid.Check(t, func(t *rapid.T) {
		before := body.Draw(t, "before")
		old, err := s.Stage("voipbl")
		if err != nil {
			t.Fatal(err)
		}
		defer old.Discard()
		io.WriteString(old, before)
		if err := old.Commit(Meta{Source: "old"}); err != nil {
			t.Fatal(err)
		}
		now := rapid.OneOf(rapid.Just(before), body, rapid.Map(body, func(more string) string { return before + more }),
			rapid.Map(rapid.IntRange(0, len(before)), func(n int) string { return before[:n] })).Draw(t, "now")

		st, err := s.Restage("voipbl")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Discard()
		piece := rapid.SampledFrom([]int{1, 7, 1000, 3 * bufferSize}).Draw(t, "piece")
		for p := []byte(now); len(p) > 0; p = p[min(piece, len(p)):] {
			if _, err := st.Write(p[:min(piece, len(p))]); err != nil {
				t.Fatal(err)
			}
		}
		if same := st.Same(); same != (now == before) {
			t.Fatalf("same: %v", same)
		}
		names, err := os.ReadDir(s.root.Name())
		if err != nil {
			t.Fatal(err)
		}
		if begun := len(names) > 1; begun && strings.HasPrefix(before, now) {
			t.Fatal("a file was made for what is there already")
		}
		for part, in := range st.Parts() {
			if err := iotest.TestReader(in, []byte(now)); err != nil {
				t.Fatal(part.Name, err)
			}
		}
		if err := st.Commit(Meta{Source: "new"}); err != nil {
			t.Fatal(err)
		}
		got, meta, err := readCopy(s, "voipbl")
		if err != nil || got != now || meta.Source != "new" {
			t.Fatalf("%q by %s, %v", got, meta.Source, err)
		}
	})
}

// TestRestageReset: what was the same can be dropped.
func TestRestageReset(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "old\n")
	st, err := s.Restage("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Discard()
	io.WriteString(st, "old\n")
	if err := st.reset(); err != nil || st.Same() {
		t.Errorf("%v; it is still the same", err)
	}
	io.WriteString(st, "new\n")
	if err := st.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	if body, _, err := readCopy(s, "voipbl"); err != nil || body != "new\n" {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestRestageLost: the copy under it changes, which no sane program does. It is an error, not a
// list that nobody wrote.
func TestRestageLost(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "192.0.2.1\n192.0.2.2\n")
	st, err := s.Restage("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Discard()
	io.WriteString(st, "192.0.2.1\n")
	text, err := os.ReadFile(s.path("voipbl.list"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("voipbl.list"), bytes.Replace(text, []byte("192.0.2.1"), []byte("192.0.2.9"), 1), 0); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(st, "192.0.2.3\n")
	wantReason(t, err, ReasonStorage)
	if again := st.Commit(Meta{}); again != err {
		t.Errorf("Commit: %v", again)
	}
	if diff := cmp.Diff([]string{"voipbl.list"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestRound: files written in a round are there at once, and OnWrite is told of each.
func TestRound(t *testing.T) {
	s := openStore(t)
	told := map[string]int{}
	s.OnWrite(func(file string, err error) {
		if err == nil {
			told[file]++
		}
	})
	first, second := s.Round(), s.Round()
	keep(t, s, "voipbl", "one\n")
	if err := s.SetState("voipbl", State{}); err != nil {
		t.Fatal(err)
	}
	if err := first(); err != nil || len(s.late) != 2 {
		t.Errorf("%v; waiting for the sync: %v", err, s.late)
	}
	if err := second(); err != nil || len(s.late) != 0 {
		t.Errorf("%v; waiting for the sync: %v", err, s.late)
	}
	keep(t, s, "voipbl", "two\n")
	if len(s.late) != 0 {
		t.Error("after the rounds a file waits for a sync")
	}
	if diff := cmp.Diff(map[string]int{"voipbl.list": 2, "voipbl.state": 1}, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRoundFails: the folder cannot be synced.
func TestRoundFails(t *testing.T) {
	s := openStore(t)
	told := map[string]error{}
	s.OnWrite(func(file string, err error) { told[file] = err })
	end := s.Round()
	keep(t, s, "voipbl", "one\n")
	dir := s.dir
	defer dir.Close()
	read, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.dir = read
	wantReason(t, end(), ReasonStorage)
	wantReason(t, told["voipbl.list"], ReasonStorage)
}
