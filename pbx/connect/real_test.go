package connect

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/pbx/hep"
)

// TestConnectAsterisk: a running Asterisk, as Debian ships it, is connected and disconnected. It copies SIP
// messages with the password in between, and lets the user log in; then it does neither, and its
// files are what they were.
func TestConnectAsterisk(t *testing.T) {
	testns.Enter(t)
	a := testasterisk.Start(t, testasterisk.Files())
	conn, err := net.ListenPacket("udp", want.HEP.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	phone := testsip.MustDial(t, "udp", netip.MustParseAddrPort("127.0.0.2:0"), netip.MustParseAddrPort("127.0.0.1:5060"))

	for _, without := range []bool{false, true} { // hep.conf; Asterisk goes on with what it had
		if without {
			a.In(func(root string) error {
				write(t, filepath.Join(root, Folder, ownFile), "\uFEFF;-- mine\n[voipbl] --;\n[crm]\nsecret = crm\nread = system", 0o644)
				return os.Remove(filepath.Join(root, Folder, hepFile))
			})
		}
		before := read4(t, a)
		p := connect(t, a, want)
		if !p.HEP || !p.AMI || len(p.ByHand) > 0 {
			t.Fatalf("%+v", p)
		}
		phone.Register("6001", testasterisk.Password)
		if got := copied(t, conn); got == 0 {
			t.Errorf("no SIP message was copied\n%s", a.CLI("module show like hep"))
		}
		if got := login(t, "sec"); got != "Success" {
			t.Errorf("login: %s", got)
		}
		if got := loginAs(t, "crm", "crm"); (got == "Success") != without {
			t.Errorf("login of another user: %s", got)
		}
		if got := login(t, "wrong"); got != "Error" {
			t.Errorf("login with a wrong secret: %s", got)
		}
		other := want
		other.HEPPassword, other.AMISecret = "pw", "another"
		connect(t, a, other)
		if got := login(t, "another"); got != "Success" {
			t.Errorf("login with the new secret: %s", got)
		}

		connect(t, a, Want{})
		drain(t, conn)
		phone.Register("6001", testasterisk.Password)
		if got := login(t, "another"); got != "Error" {
			t.Errorf("login after it was taken out: %s", got)
		}
		if got := drain(t, conn); got > 0 {
			t.Errorf("%d SIP messages were copied after it was taken out", got)
		}
		if d := cmp.Diff(before, read4(t, a)); d != "" {
			t.Errorf("the files: %s", d)
		}
	}
}

func connect(t *testing.T, a *testasterisk.Asterisk, want Want) (p Plan) {
	t.Helper()
	a.In(func(root string) error {
		folder := filepath.Join(root, Folder)
		files, err := Read(folder)
		if err != nil {
			return err
		}
		look := probe.New(t.Context(), root)
		p = New(files, asterisk.Look(look), want)
		return p.Apply(folder)
	})
	if err := p.Reload(t.Context(), func(_ context.Context, command string) (string, error) { return a.CLI(command), nil }); err != nil {
		t.Fatal(err)
	}
	return p
}

// read4 returns what is in the files.
func read4(t *testing.T, a *testasterisk.Asterisk) map[string]string {
	t.Helper()
	all := map[string]string{}
	a.In(func(root string) error {
		files, err := Read(filepath.Join(root, Folder))
		for name, f := range files {
			all[name] = f.string()
		}
		return err
	})
	return all
}

// copied counts the datagrams of SIP messages with the password, and waits for the first.
func copied(t *testing.T, conn net.PacketConn) int {
	t.Helper()
	buf := make([]byte, 65536)
	if err := conn.SetReadDeadline(time.Now().Add(testsip.AnswerLimit)); err != nil {
		t.Fatal(err)
	}
	n, _, err := conn.ReadFrom(buf)
	if err != nil {
		return 0
	}
	if _, err := hep.Decode(buf[:n], "pw"); err != nil {
		t.Errorf("a datagram: %v", err)
	}
	return 1 + drain(t, conn)
}

// drain reads the datagrams that are there. Asterisk sends a copy before the phone has the answer,
// so none is on its way.
func drain(t *testing.T, conn net.PacketConn) (n int) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 65536); ; n++ {
		if _, _, err := conn.ReadFrom(buf); err != nil {
			return n
		}
	}
}

// login returns what the manager interface answers to a login.
func login(t *testing.T, secret string) string {
	t.Helper()
	return loginAs(t, User, secret)
}

func loginAs(t *testing.T, user, secret string) string {
	t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:5038")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(testsip.AnswerLimit)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("Action: Login\r\nUsername: " + user + "\r\nSecret: " + secret + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if word, ok := strings.CutPrefix(lines.Text(), "Response: "); ok {
			return word
		}
	}
	t.Fatalf("no answer to the login: %v", lines.Err())
	return ""
}
