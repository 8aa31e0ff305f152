package enroll

import (
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet/keys"
)

// TestAddAgainMirror: the remedy for a mirror whose credentials have ended makes it a mirror again.
func TestAddAgainMirror(t *testing.T) {
	op, err := keys.New([]string{"127.0.0.1:4222"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string]func() (keys.Creds, error){
		"voipbl fleet add acme_pbx1 --again\"":          func() (keys.Creds, error) { return op.Add("acme_pbx1", time.Now()) },
		"voipbl fleet add acme_pbx2 --again --mirror\"": func() (keys.Creds, error) { return op.AddMirror("acme_pbx2", time.Now()) },
	} {
		creds, err := add()
		if err != nil {
			t.Fatal(err)
		}
		file, err := op.JoinFile(creds)
		if err != nil {
			t.Fatal(err)
		}
		j := &joining{JoinOptions: JoinOptions{JoinFile: file}}
		if err := j.parse(); err != nil {
			t.Fatal(err)
		}
		if got := addAgain(j.key.Name, j.key.Mirror) + "\""; !strings.Contains(got, name) {
			t.Errorf("the remedy is %s, not %s", got, name)
		}
	}
}
