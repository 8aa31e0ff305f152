package nft_test

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/nft"
)

// TestMisread names the rules that the tools of iptables show only in part.
func TestMisread(t *testing.T) {
	testns.Enter(t)
	testnft.Script(t, "table ip filter {\nchain INPUT {\ntype filter hook input priority 0\nip saddr 45.2.0.0/16 tcp dport 1000-2000 drop\nip saddr { 45.1.0.1, 45.1.0.9 } accept\n}\n}\n")
	r := testnft.Read(t, nft.Options{})
	if len(r.Misread) != 1 || r.Misread[0] != (nft.Misread{nft.IPv4, "filter", "INPUT", 1, 2}) {
		t.Errorf("%+v", r.Misread)
	}
}
