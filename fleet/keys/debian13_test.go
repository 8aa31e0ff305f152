package keys_test

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testnats"
)

// TestDebian13Hub: the server of Debian 13 refuses and admits what that of Debian 12 does.
func TestDebian13Hub(t *testing.T) {
	program := testnats.Debian13(t)
	for name, test := range map[string]func(*testing.T, testnats.Program){
		"rights": testRights, "looser rights": testLooserRights, "login": testLogin, "revoke": testRevoke, "server ended": testServerEnded, "room for the operator": testRoomForOperator,
		"relay": testRelayAttack, "relay in the hosts' account": testRelayInHostsAccount, "strangers at the port for relays": testStrangerAtRelayPort,
	} {
		t.Run(name, func(t *testing.T) { test(t, program) })
	}
}
