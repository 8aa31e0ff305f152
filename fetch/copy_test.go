package fetch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wantDamaged fails unless reading the copy ends in a *DamagedError.
func wantDamaged(t interface{ Errorf(string, ...any) }, s *Store, what string) {
	body, _, err := readCopy(s, "voipbl")
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Path != s.path("voipbl.list") || damaged.Why == "" {
		t.Errorf("%s: got %q, %v, want a *DamagedError", what, body, err)
	}
}

// TestDamage: a copy that was cut, or in which any byte has changed, is never read as a
// list.
func TestDamage(t *testing.T) {
	s := openStore(t)
	for _, body := range []string{"", "\n", "192.0.2.1", "192.0.2.1\n", "192.0.2.1\n# voipbl-meta\n192.0.2.2\n\n"} {
		keep(t, s, "voipbl", body)
		whole, err := os.ReadFile(s.path("voipbl.list"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(s.path("voipbl.list"), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		write := func(i int, b byte) {
			if _, err := f.WriteAt([]byte{b}, int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		for i, b := range whole {
			for _, bit := range []int{0, 5} { // 5 changes the case of a letter
				write(i, b^1<<bit)
				wantDamaged(t, s, fmt.Sprintf("%q with bit %d of byte %d turned", whole, bit, i))
			}
			again, err := s.Restage("voipbl")
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(again, body)
			if again.Same() {
				t.Error("a damaged copy is taken for the same")
			}
			again.Discard()
			write(i, b)
		}
		for i := len(whole) - 1; i >= 0; i-- {
			if err := f.Truncate(int64(i)); err != nil {
				t.Fatal(err)
			}
			wantDamaged(t, s, fmt.Sprintf("%q cut at %d", whole, i))
		}
		for _, more := range []string{"\n", "x", "192.0.2.9\n", "# voipbl-meta 00000000 {}\n"} {
			writeFile(t, s.path("voipbl.list"), string(whole)+more)
			wantDamaged(t, s, fmt.Sprintf("%q and %q", whole, more))
			writeFile(t, s.path("voipbl.list"), more+string(whole))
			wantDamaged(t, s, fmt.Sprintf("%q and %q", more, whole))
		}
	}
}

// TestCopyProperties does the same with random bodies, parts and damage.
func TestCopyProperties(t *testing.T) {
	s := openStore(t)
	rapid.Check(t, func(t *rapid.T) {
		st, err := s.Stage("voipbl")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Discard()
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []byte {
			return bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"), rapid.SampledFrom([]int{1, 3000}).Draw(t, "times"))
		}), 0, 4).Draw(t, "parts")
		var want []byte
		for i, p := range parts {
			if len(want) > 0 && want[len(want)-1] != '\n' {
				want = append(want, '\n')
			}
			want = append(want, p...)
			st.Part(fmt.Sprint(i))
			st.Write(p)
		}
		if got, err := io.ReadAll(st.section(0, st.size)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("staged %q, %v, want %q", got, err, want)
		}
		if err := st.Commit(Meta{Entries: rapid.Int().Draw(t, "entries")}); err != nil {
			t.Fatal(err)
		}
		if got, _, err := readCopy(s, "voipbl"); err != nil || got != string(want) {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}

		whole, err := os.ReadFile(s.path("voipbl.list"))
		if err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, len(whole)-1).Draw(t, "at")
		bad := bytes.Clone(whole[:i])
		if flip := rapid.Byte().Draw(t, "flip"); flip != 0 {
			bad = append(append(bad, whole[i]^flip), whole[i+1:]...)
		}
		if err := os.WriteFile(s.path("voipbl.list"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		wantDamaged(t, s, "damaged")
	})
}

// TestDamageWhileRead: damage that happens while the copy is read is found, too.
func TestDamageWhileRead(t *testing.T) {
	damages := map[string]func(path string) error{
		"cut": func(path string) error { return os.Truncate(path, 100_000) },
		"changed": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("x"), 150_000)
			return err
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			st := stage(t, s, "voipbl")
			for part := range 2 {
				st.Part(fmt.Sprint(part))
				io.WriteString(st, strings.Repeat("192.0.2.1\n", 10_000))
			}
			if err := st.Commit(Meta{}); err != nil {
				t.Fatal(err)
			}
			c, err := s.Open("voipbl")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := damage(s.path("voipbl.list")); err != nil {
				t.Fatal(err)
			}
			var damaged *DamagedError
			var last error
			for _, r := range c.Parts() {
				_, last = io.Copy(io.Discard, r)
			}
			if !errors.As(last, &damaged) {
				t.Errorf("the reader says %v", last)
			}
			if err := c.Verify(); !errors.As(err, &damaged) {
				t.Errorf("Verify says %v", err)
			}
		})
	}
}

// sealed returns a trailer with the right checksum for any JSON.
func sealed(json []byte) []byte {
	return fmt.Appendf(nil, "%s%08x %s\n", metaMark, crc32.ChecksumIEEE(json), json)
}

func TestForeignTrailer(t *testing.T) {
	s := openStore(t)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("body\n")))
	parts := `"parts":[{"name":"a","size":5}]`
	good := `{"version":1,"size":5,"sha256":"` + sum + `",` + parts + `}`
	write := func(json string) {
		writeFile(t, s.path("voipbl.list"), "body\n"+string(sealed([]byte(json))))
	}
	write(good)
	if body, _, err := readCopy(s, "voipbl"); err != nil || body != "body\n" {
		t.Fatalf("got %q, %v", body, err)
	}
	for what, json := range map[string]string{
		"a later version":      strings.Replace(good, `"version":1`, `"version":2`, 1),
		"no JSON":              "{",
		"another type":         `[]`,
		"a short size":         strings.ReplaceAll(good, `"size":5`, `"size":4`),
		"a long size":          strings.ReplaceAll(good, `"size":5`, `"size":6`),
		"a negative size":      strings.ReplaceAll(good, `"size":5`, `"size":-1`),
		"no parts":             strings.Replace(good, parts, `"parts":null`, 1),
		"parts too long":       strings.Replace(good, parts, `"parts":[{"size":5},{"size":1}]`, 1),
		"parts too short":      strings.Replace(good, parts, `"parts":[{"size":4}]`, 1),
		"a negative part":      strings.Replace(good, parts, `"parts":[{"size":6},{"size":-1}]`, 1),
		"parts that overflow":  strings.Replace(good, parts, `"parts":[{"size":9223372036854775807},{"size":9223372036854775807},{"size":7}]`, 1),
		"another sum":          strings.Replace(good, sum, strings.Repeat("0", 64), 1),
		"a sum of other size":  strings.Replace(good, sum, "00", 1),
		"a sum not in hex":     strings.Replace(good, sum, strings.Repeat("x", 64), 1),
		"a sum in upper case":  strings.Replace(good, sum, strings.ToUpper(sum), 1),
		"one far too long":     strings.Replace(good, `"name":"a"`, `"name":"`+strings.Repeat("a", maxTrailer)+`"`, 1),
		"a plain list instead": "",
	} {
		write(json)
		wantDamaged(t, s, what)
	}
}

// FuzzOpen: whatever the file holds, bytes that are read without an error match the
// SHA-256 in its trailer.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(""), []byte("192.0.2.1\n"), false)
	f.Add([]byte("192.0.2.1\n"), []byte(`{"version":1}`), true)
	for _, body := range []string{"", "a", "a\n", "a\n\n"} {
		m := Meta{Version: 1, Size: int64(len(body)), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(body))), Parts: []Part{{"x", int64(len(body))}}}
		line, err := m.trailer()
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(body), line, false)
		f.Add([]byte(body+"\n"), line[len(metaMark)+9:len(line)-1], true)
	}
	s, err := OpenStore(f.TempDir() + "/feeds")
	if err != nil {
		f.Fatal(err)
	}
	// With seal, trailer is JSON that gets a correct checksum; the fuzzer would hardly
	// ever find one.
	f.Fuzz(func(t *testing.T, body, trailer []byte, seal bool) {
		if seal {
			trailer = sealed(trailer)
		}
		file := append(bytes.Clone(body), trailer...)
		// Do not overwrite the old file: ext4 would write it to the disk at once.
		os.Remove(s.path("voipbl.list"))
		if err := os.WriteFile(s.path("voipbl.list"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		got, meta, err := readCopy(s, "voipbl")
		if err != nil {
			var damaged *DamagedError
			if !errors.As(err, &damaged) {
				t.Fatalf("%v is not a *DamagedError", err)
			}
			return
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(got))); sum != meta.SHA256 || int64(len(got)) != meta.Size {
			t.Fatalf("read %q with SHA-256 %s and size %d as if it were %+v", got, sum, len(got), meta)
		}
		if !bytes.HasPrefix(file, []byte(got)) {
			t.Fatalf("read %q from %q", got, file)
		}
	})
}
