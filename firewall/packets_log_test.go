package firewall_test

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsLogged sends more packets from a blocked address than are logged: ten, and then ten a
// minute.
func TestPacketsLogged(t *testing.T) {
	const sent, burst, interval = 50, 10, time.Minute / 10
	inEachLab(t, func(l *lab) {
		from := l.fresh(l.attacker)
		l.block(from.addr)
		l.udpServer(4569)
		for _, to := range []ruleset.LogTarget{ruleset.LogNetlink, ruleset.LogKernel} {
			for _, at := range everywhere {
				settings := fullAt(at)
				settings.LogDrops = to
				l.apply(settings)
				begin, before, logged := time.Now(), l.counted("drop them all"), l.counted("log some of the drops")
				client := l.dialUDP(from, 4569)
				for range sent {
					l.send(client, "knock")
				}
				client.Close()
				most := burst + 1 + int(time.Since(begin)/interval)
				if got := len(l.arrived(4569)); got != 0 {
					l.t.Errorf("%s at %s: %d packets arrived", to, at, got)
				}
				if got := l.counted("drop them all") - before; got != sent {
					l.t.Errorf("%s at %s: %d packets of %d were dropped", to, at, got, sent)
				}
				if got := l.counted("log some of the drops") - logged; got < burst || got > most {
					l.t.Errorf("%s at %s: %d of %d packets were logged, want %d to %d", to, at, got, sent, burst, most)
				}
			}
		}
	})
}
