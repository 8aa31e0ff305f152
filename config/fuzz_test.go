package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzParse: Parse either returns a Config that is the same after YAML and Parse, or says
// where the text is wrong, in a limited number of lines of limited length.
func FuzzParse(f *testing.F) {
	packaged, err := os.ReadFile("../packaging/voipbl.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packaged)
	f.Add([]byte(example))
	f.Add([]byte("allow: [\"::ffff:1.2.3.4\", 'a.b', 2001:db8::/32, 10.0.0]\nmetrics:\n  listen: ''\n"))
	f.Add([]byte("feeds:\n- name: x\n  path: |-\n    /a b/[a-z]*\n  schedule: >-\n    @every\n    4h\n"))
	f.Add([]byte("firewall: {services: [{name: a, proto: udp, ports: 1}], rtp: 0x10, base: true}\nsett: &a [*a, !!str x]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if err != nil {
			checkBounded(t, err)
			return
		}
		out := c.YAML()
		back, err := Parse("back", out)
		if err != nil {
			t.Fatalf("the configuration's own text is refused: %v\n%s", err, out)
		}
		if d := diff(c, back); d != "" {
			t.Fatalf("(-config +read back):\n%s\n%s", d, out)
		}
	})
}

func checkBounded(t *testing.T, err error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not a list of errors", err)
	}
	errs := joined.Unwrap()
	if len(errs) == 0 || len(errs) > maxErrors+1 {
		t.Fatalf("%d errors", len(errs))
	}
	for _, err := range errs {
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Line < 1 || e.Column < 1 || e.Problem == "" || e.Expected == "" {
			t.Fatalf("error without a place or a cause: %#v", err)
		}
		if s := e.Error(); len(s) > 1000 || strings.ContainsAny(s, "\n\r\x00") {
			t.Fatalf("error too long or not one line: %q", s)
		}
	}
}
