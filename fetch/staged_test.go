package fetch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommitOpen(t *testing.T) {
	s := openStore(t)
	if _, err := s.Open("voipbl"); !isAbsent(err) {
		t.Fatalf("got %v, want fs.ErrNotExist", err)
	}

	st := stage(t, s, "voipbl")
	parts := []string{"192.0.2.1\n192.0.2.2", "", "# voipbl-meta 00000000 {}\n", "no newline"}
	names := []string{"/a/one", "/a/empty", "/a/\"odd\"\n\xff<&>", "https://example.net/?a=1&b[]="}
	for i, name := range names {
		st.Part(name)
		io.WriteString(st, parts[i])
	}
	parts[0] += "\n" // added by Part, so that two lines are not read as one
	body := strings.Join(parts, "")
	if got := content(t, st.section(0, st.size)); got != body {
		t.Errorf("staged %q, want %q", got, body)
	}
	i := 0
	for part, r := range st.Parts() {
		if got := content(t, r); part.Name != names[i] || got != parts[i] {
			t.Errorf("staged part %d is %q: %q", i, part.Name, got)
		}
		i++
	}

	meta := Meta{
		Source: "https://example.net/?a=1&b[]=", ETag: `W/"x"`, LastModified: "then",
		FetchedAt: time.Date(2026, 5, 1, 12, 0, 0, 5, time.UTC), Entries: 3, Entries6: 2, Rejects: 1,
	}
	if err := st.Commit(meta); err != nil {
		t.Fatal(err)
	}
	if err := st.Discard(); err != nil {
		t.Errorf("Discard after Commit: %v", err)
	}
	if _, err := st.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Commit: %v", err)
	}
	if err := st.Commit(meta); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Commit after Commit: %v", err)
	}

	got, gotMeta, err := readCopy(s, "voipbl")
	if err != nil {
		t.Fatal(err)
	}
	if got != body {
		t.Errorf("got %q, want %q", got, body)
	}
	meta.Version, meta.Size, meta.SHA256 = 1, int64(len(body)), gotMeta.SHA256
	names[2] = "/a/\"odd\"\n\ufffd<&>" // JSON cannot hold other bytes
	for i := range names {
		meta.Parts = append(meta.Parts, Part{names[i], int64(len(parts[i]))})
	}
	if diff := cmp.Diff(meta, gotMeta); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"voipbl.list"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	raw, err := os.ReadFile(s.path("voipbl.list"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte(body+"\n# voipbl-meta ")) || !bytes.Contains(raw, []byte("?a=1&b[]=")) {
		t.Errorf("the file is not for people: %s", raw)
	}
}

func TestCommitEmpty(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "")
	body, meta, err := readCopy(s, "voipbl")
	if err != nil || body != "" || meta.Size != 0 || meta.Parts != nil {
		t.Errorf("got %q, %+v, %v", body, meta, err)
	}
}

// TestPartsSkipped: a caller that leaves parts early, or reads them twice, still gets
// each part's own bytes, and Verify works.
func TestPartsSkipped(t *testing.T) {
	s := openStore(t)
	st := stage(t, s, "voipbl")
	for _, p := range []string{"one", "two", "three"} {
		st.Part(p)
		io.WriteString(st, strings.Repeat(p+"\n", 10_000))
	}
	if err := st.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Open("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		for part, r := range c.Parts() {
			begin := make([]byte, len(part.Name))
			if _, err := io.ReadFull(r, begin); err != nil || string(begin) != part.Name {
				t.Errorf("part %s begins with %q, %v", part.Name, begin, err)
			}
		}
	}
	for range c.Parts() {
		break
	}
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
}

// TestOpenWhileReplaced: an open copy stays unchanged while another replaces it.
func TestOpenWhileReplaced(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "old\n")
	c, err := s.Open("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	keep(t, s, "voipbl", "new and longer\n")
	for _, r := range c.Parts() {
		if got := content(t, r); got != "old\n" {
			t.Errorf("got %q", got)
		}
	}
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
}

func TestReset(t *testing.T) {
	s := openStore(t)
	st := stage(t, s, "voipbl")
	st.Part("first")
	io.WriteString(st, strings.Repeat("x", 3*bufferSize))
	if err := st.reset(); err != nil {
		t.Fatal(err)
	}
	empty := stage(t, s, "other")
	if st.Size() != 0 || st.Sum() != empty.Sum() {
		t.Error("something is left")
	}
	io.WriteString(st, "again\n")
	if err := st.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	if body, _, err := readCopy(s, "voipbl"); err != nil || body != "again\n" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestDiscard(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "old\n")
	st := stage(t, s, "voipbl")
	io.WriteString(st, "new\n")
	for range 2 {
		if err := st.Discard(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"voipbl.list"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if body, _, err := readCopy(s, "voipbl"); err != nil || body != "old\n" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestTooManyParts(t *testing.T) {
	s := openStore(t)
	keep(t, s, "voipbl", "old\n")
	st := stage(t, s, "voipbl")
	for range 300 {
		st.Part(strings.Repeat("x", 4000))
	}
	wantReason(t, st.Commit(Meta{}), ReasonStorage)
	if diff := cmp.Diff([]string{"voipbl.list"}, files(t, s)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}

	// As many parts as the longest trailer holds.
	st = stage(t, s, "voipbl")
	for range 250 {
		st.Part(strings.Repeat("x", 4000))
	}
	io.WriteString(st, "body")
	if err := st.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	if body, meta, err := readCopy(s, "voipbl"); err != nil || body != "body" || len(meta.Parts) != 250 {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestMemory: memory does not grow with the size of the list.
func TestMemory(t *testing.T) {
	s := openStore(t)
	line := bytes.Repeat([]byte("192.0.2.1/32\n"), 300)
	const size = 17 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before) // TotalAlloc also counts freed memory
	st := stage(t, s, "voipbl")
	for st.Size() < size {
		st.Write(line)
	}
	if err := st.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Open("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, bufferSize)
	for _, r := range c.Parts() {
		if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Verify(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes allocated for a list of %d", got, size)
	}
}

func BenchmarkStageAndRead(b *testing.B) {
	s, err := OpenStore(filepath.Join(b.TempDir(), "feeds"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	body := bytes.Repeat([]byte("192.0.2.1/32\n"), 17<<20/13)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		st, err := s.Stage("voipbl")
		if err != nil {
			b.Fatal(err)
		}
		for p := body; len(p) > 0; p = p[min(bufferSize, len(p)):] {
			st.Write(p[:min(bufferSize, len(p))])
		}
		if err := st.Commit(Meta{}); err != nil {
			b.Fatal(err)
		}
		c, err := s.Open("voipbl")
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Verify(); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
