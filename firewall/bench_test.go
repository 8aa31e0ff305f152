package firewall

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
)

// BenchmarkPlan compares the base rules with a kernel without rules, and with one that has a thousand
// rules of other programs.
func BenchmarkPlan(b *testing.B) {
	want := testrules.Full().Tables(iptables.IPv4)
	for _, rules := range []int{0, 1000} {
		b.Run(fmt.Sprintf("%d other rules", rules), func(b *testing.B) {
			saved := testrules.Parsed(b, iptables.IPv4, "*filter\n:INPUT ACCEPT [0:0]\n"+strings.Repeat("-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport 22 -j DROP\n", rules)+"COMMIT\n")
			b.ReportAllocs()
			for b.Loop() {
				if NewPlan(want, saved, nil).Unchanged() {
					b.Fatal("nothing is to be changed")
				}
			}
		})
	}
}
