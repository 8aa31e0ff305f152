package filekind

import (
	"bytes"
	"compress/gzip"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestOf(t *testing.T) {
	list := strings.Repeat("44.1.0.1/32\r\n", 60)
	for _, test := range []struct{ name, head, want string }{
		{"empty", "", ""},
		{"list", list, ""},
		{"list with a byte order mark", "\xef\xbb\xbf" + list, ""},
		{"comment", "# {\"x\"}\n", ""},
		{"INI", "[blocklist]\n1.2.3.4\n", ""},
		{"nft", "table inet filter {\n", ""},
		{"template", "{{ range }}\n", ""},
		{"HTML in text", "see <html>\n", ""},
		{"Latin 1", "\xe4\xf6\xfc\n", ""},
		{"marks and no NUL", "\xff\xfe\xfd\n1.2.3.4\n", ""},
		{"one NUL", "1.2.3.4\x00\n5.6.7.8\n", ""},
		{"JSON", "{\n  \"error\": 1}", "JSON"},
		{"JSON, empty", " []\n", "JSON"},
		{"JSON, list", "[\"1.2.3.4\"]", "JSON"},
		{"JSON, numbers", "\xef\xbb\xbf[ 1 ]", "JSON"},
		{"HTML", "\n<!DOCTYPE html>\n<html>", "an HTML page"},
		{"HTML, old", "<HTML>\n", "an HTML page"},
		{"XML", "<?xml version=\"1.0\"?>", "XML"},
		{"PDF", "%PDF-1.7\n", "a PDF document"},
		{"tar", strings.Repeat("\x00", tarOffset) + "ustar\x0000" + list, "a tar archive"},
		{"UTF-16 LE", "\xff\xfe" + encode(list, 0), "UTF-16 text"},
		{"UTF-16 BE", "\xfe\xff" + encode(list, 1), "UTF-16 text"},
		{"UTF-16 LE without a mark", encode(list, 0), "UTF-16 text"},
		{"UTF-16 BE without a mark", encode(list, 1), "UTF-16 text"},
		{"UTF-32", strings.ReplaceAll(encode(list, 0), "\x00", "\x00\x00\x00"), "UTF-32 text"},
		{"NULs", strings.Repeat("\x00", 100), "nothing but NUL bytes, as a crash leaves behind"},
	} {
		head := []byte(test.head)
		if got := Of(head[:min(len(head), HeadSize)]); got.Name != test.want || (got.Name != "") != (got.Advice != "") {
			t.Errorf("%s: %+v, want %q", test.name, got, test.want)
		}
	}
}

// encode writes ASCII with two bytes a character, the low byte at index low.
func encode(s string, low int) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		pair := [2]byte{}
		pair[low] = byte(u)
		out = append(out, pair[:]...)
	}
	return string(out)
}

// TestRealTools uses files made by the real programs.
func TestRealTools(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte("44.1.0.1\n"))
	z.Close()
	if got := Of(packed.Bytes()).Name; got != "a gzip file" {
		t.Errorf("gzip: %q", got)
	}
	for command, want := range map[string]string{
		"xz -c":         "an xz file",
		"bzip2 -c":      "a bzip2 file",
		"zstd -q -c":    "a zstd file",
		"gzip -c":       "a gzip file",
		"tar cf - -T -": "a tar archive",
	} {
		words := strings.Fields(command)
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stdin = strings.NewReader("filekind.go\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if got := Of(out[:min(len(out), HeadSize)]).Name; got != want {
			t.Errorf("%s: %q", command, got)
		}
	}
}
