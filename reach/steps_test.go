package reach

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/steps"
	"github.com/voipbl/voipbl/iptables"
)

// dockerRules returns the rules of a host with base rules on which Docker sends ports from 10000
// on, with rules of others in filter.
func dockerRules(t testing.TB, ports int, others string) []KernelRules {
	t.Helper()
	var nat, filter strings.Builder
	for i := range ports {
		fmt.Fprintf(&nat, "-A DOCKER ! -i docker0 -p udp -m udp --dport %d -j DNAT --to-destination 172.17.0.2:%[1]d\n", 10000+i)
		fmt.Fprintf(&filter, "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p udp -m udp --dport %d -j ACCEPT\n", 10000+i)
	}
	listing := "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER -i docker0 -j RETURN\n" + nat.String() +
		"COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:DOCKER - [0:0]\n:VOIPBL-INPUT - [0:0]\n" + others + "-A INPUT -j VOIPBL-INPUT\n-A FORWARD -o docker0 -j DOCKER\n" + filter.String() + "COMMIT\n"
	var saved [2]*iptables.Saved
	for f, text := range []string{listing, ""} {
		s, err := iptables.ParseSaved(iptables.Family(f), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		saved[f] = s
	}
	return []KernelRules{{Backend: firewall.NFT, Used: true, Saved: saved}}
}

// TestSteps: with a nat rule for each of thousands of ports, the steps of a search grow only in
// proportion, and an obstacle for one of these ports is found.
func TestSteps(t *testing.T) {
	cfg := config.Default()
	cfg.Firewall.Base = true
	const dropped = "-A FORWARD -d 172.17.0.2/32 -p udp -m udp --dport 11234 -j DROP\n-A INPUT -p udp -m udp --dport 15678 -j DROP\n"
	for _, ports := range []int{0, 2000, 10001} {
		p := Passed{Rules: dockerRules(t, ports, dropped), Left: steps.New(t.Context(), maxSteps)}
		var said []string
		all, err := Obstacles(cfg, nil, p)
		if err != nil {
			t.Errorf("%d ports: %v", ports, err)
		}
		for _, o := range all {
			if o.Kind == DroppedElsewhere {
				said = append(said, o.Error)
			}
		}
		taken, most := p.Left.Taken(), 5000+150*ports
		t.Logf("%d ports: %d steps", ports, taken)
		if taken > most || p.Left.Out() {
			t.Errorf("%d ports: %d steps, more than %d", ports, taken, most)
		}
		want := []string{}
		if ports < 5678 { // else it is sent on
			want = append(want, "rtp (udp 15678)")
		}
		if ports > 1234 {
			want = append(want, "udp 11234")
		}
		if len(said) != len(want) {
			t.Fatalf("%d ports: %q, want of %q", ports, said, want)
		}
		for i, w := range want {
			if !strings.Contains(said[i], w) {
				t.Errorf("%d ports: %q says nothing of %s", ports, said[i], w)
			}
		}
	}
}

// TestStepsEnd: a search whose caller has gone, or that runs out of steps, returns an error and
// no obstacle of the part that it did not reach.
func TestStepsEnd(t *testing.T) {
	cfg := config.Default()
	cfg.Firewall.Base = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := Passed{Rules: dockerRules(t, 2000, "-A INPUT -p udp -m udp --dport 15678 -j DROP\n"), Left: steps.New(ctx, maxSteps)}
	all, err := Obstacles(cfg, nil, p)
	if err == nil {
		t.Error("nobody has looked, and it is said to be all")
	}
	for _, o := range all {
		if o.Kind == DroppedElsewhere {
			t.Errorf("found by nobody: %s", o.Error)
		}
	}
	p.Left = steps.New(t.Context(), 1000)
	if all, err = Obstacles(cfg, nil, p); err == nil {
		t.Error("all has been looked at in 1000 steps")
	}
	for _, o := range all {
		if o.Kind == DroppedElsewhere {
			t.Errorf("found in too few steps: %s", o.Error)
		}
	}
}
