package nftwalk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/nft"
)

// TestStepsByKernel bounds how many rules are looked at for a source, on a host with thousands.
func TestStepsByKernel(t *testing.T) {
	testskip.UnlessRoot(t) // for nft's large buffers
	testns.Enter(t)
	var text strings.Builder
	text.WriteString("table inet big {\nchain deny {\n")
	for i := range 3750 {
		fmt.Fprintf(&text, "ip saddr 45.%d.%d.7 drop\n", i>>8, i&255)
	}
	text.WriteString("ip saddr 62.0.0.7 udp dport 5060 return\nip saddr 62.0.0.7 drop\n}\nchain in {\ntype filter hook input priority 0; policy drop;\njump deny\n")
	for i := range 300 {
		fmt.Fprintf(&text, "%s dport %d accept\n", portrange.Protocols[i%2], 20+i*37)
	}
	testnft.Script(t, text.String()+"}\n}\n")
	r := testnft.Read(t, nft.Options{Elements: true})
	for _, test := range []struct {
		source string
		places int
		most   int
	}{
		{"45.0.3.7", 1, 1_000},
		{"88.0.0.1", 0, 1_000},
		{"62.0.0.7", 1, 200_000}, // every port is looked at
		{"45.0.0.0/16", 256, 600_000},
	} {
		left := maxStepsInAll
		p := from(test.source)
		p.left = &left
		places, cut := bySource(r, p)
		if steps := maxStepsInAll - left; len(places) != test.places || cut || steps > test.most {
			t.Errorf("%s: %d places, cut %v, %d steps: want %d places in at most %d", test.source, len(places), cut, steps, test.places, test.most)
		}
	}
	left := 100
	p := from("62.0.0.7")
	p.left = &left
	if _, cut := bySource(r, p); !cut {
		t.Error("with 100 steps all ways are said to have been followed")
	}
}
