package form

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/voipbl/voipbl/config"
)

func json(fields ...string) config.Form {
	return config.Form{Format: config.FormatJSON, Fields: fields}
}

func csv(column string, separator byte) config.Form {
	return config.Form{Format: config.FormatCSV, Column: column, Separator: separator}
}

// read returns the lines of a body.
func read(t *testing.T, f config.Form, body io.Reader) (string, error) {
	t.Helper()
	const most = 1 << 20
	s := Source{Form: f, MaxBytes: most, Scratch: func() (File, error) {
		return os.Create(filepath.Join(t.TempDir(), "scratch"))
	}}
	l := s.Lines(body)
	defer l.Close()
	out, err := io.ReadAll(l)
	if len(out) > most {
		t.Errorf("%d bytes of lines", len(out))
	}
	return string(out), err
}

// reason is the word of an error.
func reason(err error) string {
	var known interface {
		Explain() (reason, what, remedy string)
	}
	if !errors.As(err, &known) {
		return ""
	}
	why, _, remedy := known.Explain()
	if remedy == "" {
		why += " without a remedy"
	}
	return why
}

// TestForms: lists as they are published, with addresses of ours.
func TestForms(t *testing.T) {
	for _, test := range []struct {
		name, body string
		form       config.Form
		want, err  string
	}{
		{"lines", "# a\n44.1.0.1\n44.2.0.0/16\n", config.Form{}, "# a\n44.1.0.1\n44.2.0.0/16\n", ""},
		{"array", ` ["44.1.0.1", "2a00:9::/32"]`, config.Form{}, "44.1.0.1\n2a00:9::/32\n", ""},
		{"empty array", `[]`, json("[]"), "", ""},
		{"Spamhaus DROP", `{"cidr":"44.1.0.0/20","sblid":"SBL1","rir":"apnic"}
{"cidr":"44.3.0.0/16","sblid":"SBL2","rir":"apnic"}
{"type":"metadata","timestamp":1767899078,"size":38060,"records":2,"copyright":"(c)"}
`, json("cidr"), "44.1.0.0/20\n44.3.0.0/16\n", ""},
		{"APIBAN", `{"ipaddress":["44.1.0.1","44.1.0.2"],"ID":"1700"}`, json("ipaddress[]"), "44.1.0.1\n44.1.0.2\n", ""},
		{"AbuseIPDB", `{"meta":{"generatedAt":"2026"},"data":[{"ipAddress":"44.1.0.1","score":100},{"ipAddress":"44.1.0.2"}]}`, json("data[].ipAddress"), "44.1.0.1\n44.1.0.2\n", ""},
		{"CrowdSec", `[{"duration":"4h","scope":"Ip","value":"44.1.0.1"}]`, json("[].value"), "44.1.0.1\n", ""},
		{"CrowdSec without decisions", `null`, json("[].value"), "", ""},
		{"two fields", `{"prefixes":[{"ipv4Prefix":"44.1.0.0/24"},{"ipv6Prefix":"2a00:9::/32"}]}`, json("prefixes[].ipv4Prefix", "prefixes[].ipv6Prefix"), "44.1.0.0/24\n2a00:9::/32\n", ""},
		{"arrays in arrays", `{"values":[{"p":["44.1.0.1","44.1.0.2"]},{"p":null},{"p":[]}]}`, json("values[].p[]"), "44.1.0.1\n44.1.0.2\n", ""},
		{"nothing there", `{"error":"no such key"}`, json("data[].ip"), "the JSON has no data[].ip\n", ""},
		{"no field", `[{"ip":"44.1.0.1"},{"i":1},{"ip":null}]`, json("[].ip"), "44.1.0.1\nrecord 2 has no [].ip\nrecord 3 has no [].ip\n", ""},
		{"other types", `[1,true,{"a":[{}]},[],"44.1.0.1"]`, json("[]"), "record 1: [] is 1\nrecord 2: [] is true\nrecord 3: [] is an object\nrecord 4: [] is an array\n44.1.0.1\n", ""},
		{"not an entry", `["44.1.0.1 44.1.0.9","#44.1.0.1","","44.1.0.1\n44.1.0.2","44.1.0.1\u002f24"," 44.1.0.3 "]`, json("[]"),
			"record 1: \"44.1.0.1 44.1.0.9\"\nrecord 2: \"#44.1.0.1\"\nrecord 3: \"\"\nrecord 4: \"44.1.0.1\\n44.1.0.2\"\n44.1.0.1/24\n44.1.0.3\n", ""},
		{"long text", `["` + strings.Repeat("1", 5000) + `"]`, json("[]"), "record 1: [] is a long text\n", ""},
		{"truncated", `["44.1.0.1","44.1.0`, json("[]"), "44.1.0.1\n", "truncated"},
		{"truncated value", `{"a":`, json("a"), "", "truncated"},
		{"nothing", ``, json("a"), "", "truncated"},
		{"broken", `["44.1.0.1",}`, json("[]"), "44.1.0.1\n", "not-a-list"},
		{"two commas", `[1,,2]`, json("a"), "", "not-a-list"},
		{"bad number", `[01]`, json("a"), "", "not-a-list"},
		{"bad escape", `["\x"]`, json("a"), "", "not-a-list"},
		{"deep", strings.Repeat("[", 1<<17), json("a"), "", "not-a-list"},
		{"deep objects", strings.Repeat(`{"a":`, 1<<17), json("a"), "record 1: a is an object\n", "not-a-list"},
		{"HTML", "<!DOCTYPE html><html>", json("a"), "", "not-a-list"},
		{"unsure", `{"data":[{"ip":"44.1.0.1"}]}`, config.Form{}, "", "not-a-list"},
		{"growing", "[" + strings.Repeat("1,", 1<<18) + "1]", json("[]"), "", "too-large"},

		{"CSV", "ip,seen\n44.1.0.1,2026\n\"44.1.0.2\",\"a \"\"b\"\", c\"\r\n", csv("ip", ','), "44.1.0.1\n44.1.0.2\n", ""},
		{"CSV, second column", "\xef\xbb\xbfname;\"net work\"\na;44.1.0.0/24\n# note\n\nb;44.2.0.0/24\n", csv("net work", ';'), "44.1.0.0/24\n44.2.0.0/24\n", ""},
		{"CSV, by number", "name\tip\na\t44.1.0.1\n", csv("2", '\t'), "44.1.0.1\n", ""},
		{"CSV, by number without names", "a,44.1.0.1\nb,44.1.0.2\n", csv("2", ','), "44.1.0.1\n44.1.0.2\n", ""},
		{"CSV, bad rows", "ip\n\"44.1.0.1\n44.1.0.2\n44.1\"0.3\n", csv("ip", ','), "row 1: " + badQuotes + "\n44.1.0.2\nrow 3: " + badQuotes + "\n", ""},
		{"CSV, short row", "a,ip\nx\ny,44.1.0.1\n", csv("ip", ','), "row 1: " + noColumn + "\n44.1.0.1\n", ""},
		{"CSV, long row", "ip\n" + strings.Repeat("x", maxRow) + "\n44.1.0.1\n", csv("ip", ','), "row 1 is longer than 65536 bytes\n44.1.0.1\n", ""},
		{"CSV, no such column", "a,b\n", csv("ip", ','), "", "not-a-list"},
		{"CSV, empty", "", csv("ip", ','), "", "not-a-list"},
		{"CSV, JSON", "[]", csv("ip", ','), "", "not-a-list"},
	} {
		for _, in := range []struct {
			how  string
			body io.Reader
		}{{"whole", strings.NewReader(test.body)}, {"by bytes", iotest.OneByteReader(strings.NewReader(test.body))}, {"in halves", iotest.HalfReader(strings.NewReader(test.body))}} {
			got, err := read(t, test.form, in.body)
			if test.err == "too-large" {
				got = ""
			}
			if why := reason(err); why != test.err || err != nil && why == "" || got != test.want {
				t.Errorf("%s, %s: %q, %v (%s); want %q, %s", test.name, in.how, got, err, why, test.want, test.err)
			}
		}
	}
}

// TestSuggestion: what is not understood is refused with what to write.
func TestSuggestion(t *testing.T) {
	for body, want := range map[string]string{
		`{"data":[{"ip":"44.1.0.1","net":"44.0.0.0/8"},{"ip":"44.1.0.2"}]}`: `"field: data[].ip" into the feed; addresses are also at data[].net`,
		`{"cidr":"44.1.0.0/16"}` + "\n" + `{"cidr":"44.1.`:                  `"field: cidr"`,
		`[{"name":"x"}]`: `"field:" with the place`,
		`[["44.1.0.1"]]`: `"field: [][]"`,
	} {
		_, err := read(t, config.Form{}, strings.NewReader(body))
		var m *Mismatch
		if !errors.As(err, &m) || !strings.Contains(m.Advice, want) {
			t.Errorf("%s: %+v", body, m)
		}
	}
}

// TestReadError: an error of the source is not one of the list.
func TestReadError(t *testing.T) {
	gone := errors.New("gone")
	for _, f := range []config.Form{json("a"), csv("a", ','), csv("1", ','), {}} {
		for _, body := range []string{``, `[1,`, `{"a":"44.1`, "a,b\n", "\x1f\x8b\x08\x00"} {
			if _, err := read(t, f, io.MultiReader(strings.NewReader(body), iotest.ErrReader(gone))); !errors.Is(err, gone) && reason(err) == "" {
				t.Errorf("%v %q: %v", f, body, err)
			}
		}
	}
}

// packers make compressed files.
var packers = map[string]func(to io.Writer, body []byte){
	"gzip": func(to io.Writer, body []byte) { w := gzip.NewWriter(to); w.Write(body); w.Close() },
	"xz":   func(to io.Writer, body []byte) { packXZ(to, body, "-6") },
	"zstd": func(to io.Writer, body []byte) { w, _ := zstd.NewWriter(to); w.Write(body); w.Close() },
	"zip": func(to io.Writer, body []byte) {
		w := zip.NewWriter(to)
		w.Create("folder/")
		m, _ := w.Create("../../etc/passwd")
		m.Write(body)
		w.Close()
	},
}

// packXZ packs with the real program, since the library only unpacks.
func packXZ(to io.Writer, body []byte, how string) {
	cmd := exec.Command("xz", "-c", how)
	cmd.Stdin, cmd.Stdout = bytes.NewReader(body), to
	if err := cmd.Run(); err != nil {
		panic(err)
	}
}

// TestPacked: each compression, whole, cut at each place, with each byte changed, and as a bomb.
func TestPacked(t *testing.T) {
	const list = `{"ipaddress":["44.1.0.1","44.1.0.2"],"ID":"1700"}`
	for kind, pack := range packers {
		var b bytes.Buffer
		pack(&b, []byte(list))
		whole := b.Bytes()
		if got, err := read(t, json("ipaddress[]"), bytes.NewReader(whole)); got != "44.1.0.1\n44.1.0.2\n" || err != nil {
			t.Fatalf("%s: %q, %v", kind, got, err)
		}
		for n := 7; n < len(whole); n++ {
			if got, err := read(t, json("ipaddress[]"), bytes.NewReader(whole[:n])); reason(err) == "" {
				t.Errorf("%s, %d of %d bytes: %q, %v", kind, n, len(whole), got, err)
			}
		}
		for n := 7; n < len(whole); n++ {
			bad := bytes.Clone(whole)
			bad[n] ^= 0x10
			if got, err := read(t, json("ipaddress[]"), bytes.NewReader(bad)); err == nil && got != "44.1.0.1\n44.1.0.2\n" || err != nil && reason(err) == "" {
				t.Errorf("%s, byte %d changed: %q, %v", kind, n, got, err)
			}
		}
		b.Reset()
		pack(&b, bytes.Repeat([]byte("# nothing\n"), 1<<20))
		if _, err := read(t, config.Form{}, &b); reason(err) != "too-large" {
			t.Errorf("%s, bomb: %v", kind, err)
		}
		b.Reset()
		var twice bytes.Buffer
		pack(&twice, whole)
		if got, err := read(t, json("ipaddress[]"), &twice); reason(err) != "not-a-list" {
			t.Errorf("%s, packed twice: %q, %v", kind, got, err)
		}
	}
}

// TestZip: a zip must have one file.
func TestZip(t *testing.T) {
	for files, want := range map[int]string{0: "not-a-list", 1: "", 2: "not-a-list"} {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for range files {
			m, _ := w.Create("a")
			m.Write([]byte("44.1.0.1\n"))
		}
		w.Close()
		if _, err := read(t, config.Form{}, &b); reason(err) != want {
			t.Errorf("%d files: %v", files, err)
		}
	}
}

// TestMuchMemory: a list for which unpacking takes too much memory is refused.
func TestMuchMemory(t *testing.T) {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b, zstd.WithWindowSize(2*maxMemory))
	w.Write(bytes.Repeat([]byte("44.1.0.1\n"), 10<<20))
	w.Close()
	if _, err := read(t, config.Form{}, &b); reason(err) != "too-large" {
		t.Errorf("zstd: %v", err)
	}
	b.Reset()
	packXZ(&b, []byte("44.1.0.1\n"), "--lzma2=dict=32MiB")
	if _, err := read(t, config.Form{}, &b); reason(err) != "too-large" {
		t.Errorf("xz: %v", err)
	}
}

// TestStopped: whoever has read enough may stop.
func TestStopped(t *testing.T) {
	body := `["44.1.0.1"` + strings.Repeat(`,"44.1.0.2"`, 50000) + `]`
	for _, f := range []config.Form{json("[]"), {}} {
		l := Source{Form: f, MaxBytes: 1 << 20}.Lines(strings.NewReader(body))
		io.ReadFull(l, make([]byte, 100))
		l.Close()
		l.Close()
	}
}
