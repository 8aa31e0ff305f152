package iptables

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkParseSaved reads a listing of a host with everything on it, alone and with a thousand
// addresses that another program has banned.
func BenchmarkParseSaved(b *testing.B) {
	var bans strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&bans, "[0:0] -A f2b-sshd -s 203.0.%d.%d/32 -j REJECT --reject-with icmp-port-unreachable\n", i>>8, i&255)
	}
	const last = "[0:0] -A f2b-sshd"
	for _, host := range []struct{ name, text string }{{"common", listing}, {"1000 bans", strings.Replace(listing, last, bans.String()+last, 1)}} {
		b.Run(host.name, func(b *testing.B) {
			b.SetBytes(int64(len(host.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseSaved(IPv4, []byte(host.text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
