package enroll

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
)

// Keeper is what the process has that keeps the streams on the hub.
type Keeper struct {
	Hubs  []string `json:"hubs"` // URLs, that of this host first
	Creds string   `json:"creds"`

	Revoked []fleet.Name `json:"revoked,omitempty"` // hosts of which nothing stays in the stream
}

// ReadKeeper reads that from the file that systemd hands over, or else from where it is.
func ReadKeeper() (Keeper, error) {
	name := keeperFile
	if folder := os.Getenv("CREDENTIALS_DIRECTORY"); folder != "" {
		name = filepath.Join(folder, filepath.Base(keeperFile))
	}
	text, err := ReadPlain(name, maxFile)
	if err != nil {
		return Keeper{}, (&problem.Problem{Error: err.Error(), Remedy: "\"voipbl fleet init\" writes it on a hub; then " + units.Keeper.StartRemedy(units.Systemd())}).Err()
	}
	var k Keeper
	if err := json.Unmarshal(text, &k); err != nil {
		return Keeper{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(k.Hubs) == 0 || k.Creds == "" {
		return Keeper{}, errors.New(name + " has no hub, or no key")
	}
	return k, nil
}

// keeper is the text of that file: as it is, if it says what it would say anew but for when it was signed.
func (h *hubRun) keeper() ([]byte, error) {
	creds, err := h.op.KeeperCreds()
	if err != nil {
		return nil, err
	}
	want := Keeper{Hubs: h.local(), Creds: string(creds.Text()), Revoked: h.op.Gone()}
	now, err := read(h.path(keeperFile), maxFile)
	if err == nil && now != nil {
		var is Keeper
		if err := json.Unmarshal(now.text, &is); err == nil && sameCreds(is.Creds, want.Creds) {
			want.Creds = is.Creds
		}
	}
	text, err := json.MarshalIndent(want, "", "  ")
	return append(text, '\n'), err
}

// local are the URLs by which this host reaches its own server: the certificate that voipbl makes is for
// the loopback address, too. One of the operator's own is for the hub's names only.
func (h *hubRun) local() []string {
	return append([]string{fmt.Sprintf("tls://127.0.0.1:%d", portOf(h.op.Hubs))}, h.op.URLs()...)
}

// sameCreds reports whether two credentials say the same, but for when they were signed.
func sameCreds(a, b string) bool {
	plain := func(text string) string {
		c, err := keys.ParseCreds([]byte(text))
		if err != nil {
			return ""
		}
		claims, err := jwt.DecodeUserClaims(c.Token)
		if err != nil {
			return ""
		}
		claims.IssuedAt, claims.ID = 0, ""
		c.Token = ""
		return problem.Digest([]any{claims, c})
	}
	return plain(a) != "" && plain(a) == plain(b)
}
