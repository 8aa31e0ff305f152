// Package friends_test tests the table of all friends and all ways to block, with real
// packets: no way ever cuts off a friend, and each way does block a stranger.
package friends_test

import (
	"os"
	"testing"

	"github.com/voipbl/voipbl/internal/testbuild"
)

func TestMain(m *testing.M) { os.Exit(testbuild.M{M: m}.Run()) }
