package form

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
)

// list returns a list of a million addresses, in lines made by format.
func list(format string) []byte {
	var b bytes.Buffer
	for i := range 1_000_000 {
		fmt.Fprintf(&b, format, fmt.Sprintf("%d.%d.%d.%d", 44+i>>18, i>>12&63, i>>6&63*4, i&63*4))
	}
	return b.Bytes()
}

// BenchmarkRead reads a million entries in each form, with what package cidr does with them.
func BenchmarkRead(b *testing.B) {
	for _, f := range []struct {
		name, format string
		form         config.Form
	}{
		{"lines", "%s/32\n", config.Form{}},
		{"json-lines", `{"cidr":"%s","sblid":"SBL256894","rir":"apnic"}` + "\n", json("cidr")},
		{"csv", "%s,2026-12-01 00:00:00,7\n", csv("1", ',')},
	} {
		body := list(f.format)
		b.Run(f.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				l := Source{Form: f.form, MaxBytes: 1 << 30}.Lines(bytes.NewReader(body))
				var to cidr.Builder
				t, err := cidr.Read(l, cidr.Policy{}, &to)
				if err != nil || t.Entries != 1_000_000 {
					b.Fatal(t.Entries, err)
				}
				l.Close()
			}
		})
	}
}
