package testnft

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/nft"
)

// Loaded loads rules into the test's network namespace with nft(8), and reads them.
func Loaded(t *testing.T, files ...string) *nft.Ruleset {
	t.Helper()
	testns.Enter(t)
	for _, name := range files {
		Apply(t, name)
	}
	return Read(t, nft.Options{Elements: true})
}

// Apply runs nft(8) with a file of nft/testdata.
func Apply(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("nft", "-f", "../nft/testdata/"+name).CombinedOutput(); err != nil {
		t.Fatalf("nft -f %s: %v\n%s", name, err, out)
	}
}

// Script runs nft(8) with commands.
func Script(t *testing.T, text string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// Read reads the rules of the test's network namespace.
func Read(t *testing.T, o nft.Options) *nft.Ruleset {
	t.Helper()
	r, err := nft.Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
