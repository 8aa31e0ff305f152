package pbx

import (
	"strings"
	"testing"
	"unsafe"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"6001":                        "6001",
		"a\r\nEvent: X":               "a??Event: X",
		"a\x00b\x1b[31m":              "a?b?[31m",
		"\xff\xfe":                    "??",
		"Jürgen":                      "Jürgen",
		"a\u202eb":                    "a?b",
		strings.Repeat("q", 65):       strings.Repeat("q", 64),
		strings.Repeat("ü", 40):       strings.Repeat("ü", 32),
		"x" + strings.Repeat("ü", 40): "x" + strings.Repeat("ü", 31),
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if n := len(Text(strings.Repeat("\xff", 1<<20))); n > MaxText {
		t.Errorf("%d bytes of a megabyte", n)
	}
}

// TestTextAlone: a text does not keep the message in memory that it is a part of.
func TestTextAlone(t *testing.T) {
	for name, part := range map[string]string{"short": "9999", "long": strings.Repeat("q", 2*MaxText), "odd": "a\nb", "empty": ""} {
		message := strings.Repeat("x", 100) + part + strings.Repeat("x", 100)
		got := Text(message[100 : 100+len(part)])
		begin, at := uintptr(unsafe.Pointer(unsafe.StringData(message))), uintptr(unsafe.Pointer(unsafe.StringData(got)))
		if got != "" && at >= begin && at < begin+uintptr(len(message)) {
			t.Errorf("%s: %q is a part of the message", name, got)
		}
	}
}
