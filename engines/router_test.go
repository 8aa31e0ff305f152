package engines

import (
	"fmt"
	"testing"
)

// TestRouterPorts parses configurations of Kamailio and OpenSIPS.
func TestRouterPorts(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "[]",
		"listen=udp:192.0.2.1:5070":     "[{udp 5070}]",
		"listen=udp:192.0.2.1:5070;":    "[{udp 5070}]",
		"listen = tls:192.0.2.1":        "[{tcp 5061}]",
		"listen=192.0.2.1":              "[{udp 5060} {tcp 5060}]",
		"listen=eth0:5090":              "[{udp 5090} {tcp 5090}]",
		"disable_tcp=yes\nlisten=eth0":  "[{udp 5060}]",
		"listen=tcp:[2001:db8::1]:5070": "[{tcp 5070}]",
		"listen=udp:127.0.0.1:5070":     "[]",
		"listen=\"udp:192.0.2.1:5070\"": "[{udp 5070}]",
		"socket=bin:192.0.2.1:5555":     "[]",
		"#!ifdef X\nlisten=udp:eth0:1111\n#!else\nlisten=udp:eth0:2222\n#!endif\nlisten=udp:eth0:3333":    "[{udp 2222} {udp 3333}]",
		"#!define X\n#!ifndef X\nlisten=udp:eth0:1111\n#!endif\n#!ifdef X\nlisten=udp:eth0:2222\n#!endif": "[{udp 2222}]",
		"#!define PORT 5099\nlisten=udp:192.0.2.1:PORT":                                                   "[{udp 5099}]",
		"#!substdef \"!PORT!5098!g\"\nlisten=udp:192.0.2.1:PORT":                                          "[{udp 5098}]",
		"#!endif\n#!else\nlisten=udp:eth0:4444":                                                           "[{udp 4444}]",
		"include_file \"main\"\nlisten=udp:eth0:5555":                                                     "[{udp 5555}]", // includes itself
	} {
		r := router{defined: map[string]string{}, open: func(string) []string { return []string{text} }}
		r.file("main", 0)
		if got := fmt.Sprint(r.ports()); got != want {
			t.Errorf("%q: %s, not %s", text, got, want)
		}
	}
}
