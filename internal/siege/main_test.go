// Package siege_test attacks a real Asterisk that voipbl watches: with the agent, the watcher without
// rights, copies of SIP messages, the kernel and iptables as on a host. Attackers, phones and a
// spoofer are around it, each on a wire of its own.
package siege_test

import (
	"os"
	"testing"

	"github.com/voipbl/voipbl/internal/testbuild"
)

func TestMain(m *testing.M) { os.Exit(testbuild.M{M: m}.Run()) }
