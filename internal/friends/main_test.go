// Package friends_test is the table of friends and of the ways in which somebody is
// blocked, with packets: a friend is never cut off, on any way, and each way does
// block a stranger.
package friends_test

import (
	"os"
	"testing"

	"github.com/voipbl/voipbl/internal/testbuild"
)

func TestMain(m *testing.M) { os.Exit(testbuild.M{M: m}.Run()) }
