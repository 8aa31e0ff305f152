package outbox

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// writeDown calls WriteDown, and returns the verdicts.
func writeDown(t *testing.T, cfg config.Config, all ...Attacker) string {
	t.Helper()
	var told []string
	err := WriteDown(t.Context(), cfg, "test", all, func(v Verdict) {
		told = append(told, fmt.Sprintf("%s %s", v.Addr, v.Words()))
	}, func(words string) { t.Error(words) })
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(told, "\n")
}

// TestWriteDown: attackers that the PBX has seen are written down by the rules of "voipbl report", and
// nothing is sent.
func TestWriteDown(t *testing.T) {
	dir := t.TempDir()
	cfg := testvalue.Config(t, fmt.Sprintf(`
state_dir: %[1]s/state
run_dir: %[1]s/run
feeds: [{name: a, path: /x}]
allow: [203.1.113.0/24]
firewall: {trunks: [7.7.7.7]}
report: {enabled: true, url: "http://127.0.0.1:9", insecure: true}
`, dir))
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now().UTC()
	if err := store.WriteJSON(exempt.OutboxFile, Box{Standing: map[netip.Addr]time.Time{addr(9): now.Add(-time.Hour), addr(8): now.Add(-25 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddr
	got := writeDown(t, cfg, Attacker{Addr: addr(1), Count: 3}, Attacker{Addr: at("203.1.113.7")}, Attacker{Addr: at("7.7.7.7")},
		Attacker{Addr: at("192.168.7.7")}, Attacker{Addr: at("2a00:9::7")}, Attacker{Addr: addr(9)}, Attacker{Addr: addr(8)})
	want := `5.5.0.1 waits
203.1.113.7 not reported: it is exempt: allow
7.7.7.7 not reported: it is exempt: trunks
192.168.7.7 not reported: it is private use (192.168.0.0/16, RFC 1918)
2a00:9::7 waits
5.5.0.9 not reported: it was reported within the last day
5.5.0.8 waits`
	if got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}

	// fail2ban has seen the same attacker.
	if got := writeDown(t, cfg, Attacker{Addr: addr(1), Count: 12}); got != "5.5.0.1 waits: it was waiting already" {
		t.Error(got)
	}
	look := ReadOutbox(cfg, now)
	if len(look.Queue) != 3 || look.Queue[0].Count != 12 || look.Queue[1].Count != 1 || !look.LastSent.IsZero() || look.Queue[0].Tries != 0 {
		t.Errorf("%+v", look.Queue)
	}

	// An admin unbans them.
	got = writeDown(t, cfg, Attacker{Addr: addr(1), Unban: true}, Attacker{Addr: addr(9), Unban: true}, Attacker{Addr: addr(2), Unban: true})
	want = `5.5.0.1 nothing is sent: it had not been reported yet, and will not be
5.5.0.9 waits
5.5.0.2 not reported: this host has not reported it, or that was taken back`
	if got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}

	// Without the owner's leave nothing is written.
	cfg.Report.Enabled = false
	if got := writeDown(t, cfg, Attacker{Addr: addr(3)}); got != "" || len(ReadOutbox(cfg, now).Queue) != 3 {
		t.Error(got)
	}
}
