package dns

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testdns"
)

// startServer starts a name server and makes the test use it for all names.
func startServer(t *testing.T) *testdns.Server {
	t.Helper()
	server, err := testdns.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.Address())
	}}
	return server
}

// set sets records, given as lines of "NAME TYPE VALUE...".
func set(t *testing.T, server *testdns.Server, lines ...string) {
	t.Helper()
	for _, line := range lines {
		f := strings.Fields(line)
		if err := server.Set(f[0], f[1], f[2:]...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAsk asks a real server. Questions without an answer are reported as such, and do
// not affect the other answers.
func TestAsk(t *testing.T) {
	const none = "<nil>"
	many := make([]string, MaxAddresses+1)
	for i := range many {
		many[i] = fmt.Sprintf("5.0.1.%d", i)
	}
	for name, test := range map[string]struct {
		records []string
		sip     bool
		want    string // addresses, partial, servers, unasked, no host
		err     string // the end of the error
	}{
		"both families": {[]string{"x.example A 5.0.0.2 5.0.0.1", "x.example AAAA 2a00::1"}, false,
			"[5.0.0.1 5.0.0.2 2a00::1] [false false] false false false", none},
		"IPv6 alone": {[]string{"x.example AAAA 2a00::1"}, false, "[2a00::1] [false false] false false false", none},
		"as many as there may be": {[]string{"x.example A " + strings.Join(many[1:], " ")}, false,
			fmt.Sprint(many[1:]) + " [false false] false false false", none},
		"one more": {[]string{"x.example A " + strings.Join(many, " "), "x.example AAAA 2a00::1"}, false,
			"[2a00::1] [true false] false false false", fmt.Sprintf("%d addresses, more than %d", MaxAddresses+1, MaxAddresses)},
		"IPv4 fails":    {[]string{"x.example A fails", "x.example AAAA 2a00::1"}, false, "[2a00::1] [true false] false false false", "server misbehaving"},
		"IPv6 fails":    {[]string{"x.example A 5.0.0.1", "x.example AAAA fails"}, false, "[5.0.0.1] [false true] false false false", "server misbehaving"},
		"no such name":  {nil, true, "[] [true true] false false false", "no such host"},
		"no host's":     {[]string{"x.example A 0.0.0.0"}, false, "[] [true false] false false true", "which is no host's address"},
		"not asked for": {[]string{"x.example A 5.0.0.1", "_sip._udp.x.example SRV a.example", "a.example A 5.0.0.2"}, false, "[5.0.0.1] [false false] false false false", none},
		"a server":      {[]string{"_sip._udp.x.example SRV a.example", "a.example A 5.0.0.2"}, true, "[5.0.0.2] [false false] true false false", none},
		"of each service": {[]string{"x.example A 5.0.0.1", "_sip._udp.x.example SRV a.example", "_sip._tcp.x.example SRV b.example", "_sips._tcp.x.example SRV a.example c.example",
			"a.example A 5.0.0.2", "b.example A 5.0.0.3", "c.example AAAA 2a00::3"}, true, "[5.0.0.1 5.0.0.2 5.0.0.3 2a00::3] [false false] true false false", none},
		"no server by decision":    {[]string{"x.example A 5.0.0.1", "_sip._udp.x.example SRV ."}, true, "[5.0.0.1] [false false] false false false", none},
		"it is its own server":     {[]string{"x.example A 5.0.0.1", "_sip._udp.x.example SRV X.example"}, true, "[5.0.0.1] [false false] false false false", none},
		"a service fails":          {[]string{"_sip._udp.x.example SRV fails", "_sip._tcp.x.example SRV b.example", "b.example A 5.0.0.3"}, true, "[5.0.0.3] [false false] true true false", "server misbehaving"},
		"one server does not":      {[]string{"_sip._udp.x.example SRV a.example b.example", "a.example A fails", "b.example A 5.0.0.3"}, true, "[5.0.0.3] [true false] true false false", "server misbehaving"},
		"a server with no address": {[]string{"x.example A 5.0.0.1", "_sip._udp.x.example SRV gone.example"}, true, "[5.0.0.1] [false false] true false false", none},
	} {
		t.Run(name, func(t *testing.T) {
			set(t, startServer(t), test.records...)
			a := Ask(t.Context(), []Question{{"x.example", test.sip}})["x.example"]
			if got := fmt.Sprint(a.Addrs, a.Partial, a.Servers, a.Unasked, a.NoHost); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := fmt.Sprint(a.Err); !strings.HasSuffix(got, test.err) {
				t.Errorf("error %s, not %s", got, test.err)
			}
		})
	}
	startServer(t)
	if a := Ask(t.Context(), []Question{{"5.0.0.1", false}})["5.0.0.1"]; a.Err != nil || !slices.Equal(a.Addrs, addrs("5.0.0.1")) {
		t.Errorf("an address stands for %v, %v", a.Addrs, a.Err)
	}
}

// TestTargets: of too many servers those with the best priority count, and of several
// errors the first.
func TestTargets(t *testing.T) {
	set(t, startServer(t), "_sip._udp.x.example SRV fails", "_sip._tcp.x.example SRV A.example", "_sips._tcp.x.example SRV fails")
	var failing targets
	failing.ask(t.Context(), services[1], "x.example")
	if names, err := failing.names("x.example"); err != nil || !slices.Equal(names, []string{"a.example"}) {
		t.Errorf("%v, %v", names, err)
	}
	for _, s := range []service{services[0], services[1], services[2]} {
		failing.ask(t.Context(), s, "x.example")
	}
	if names, err := failing.names("x.example"); err == nil || !strings.Contains(err.Error(), "_sip._udp.x.example") || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}

	var many targets
	for i := range maxTargets {
		many.add(fmt.Sprintf("s%02d.example", i), 10)
	}
	if names, err := many.names("x.example"); err != nil || len(names) != maxTargets {
		t.Errorf("%d servers, %v", len(names), err)
	}
	many.add("late.example", 20)
	many.add("s31.example", 30) // known already, with priority 10
	if names, err := many.names("x.example."); err == nil || len(names) != maxTargets || slices.Contains(names, "late.example") {
		t.Errorf("%v, %v", names, err)
	}
	many.add("late.example", 5)
	if names, _ := many.names("late.example."); slices.Contains(names, "late.example") {
		t.Error("a name is its own server")
	}
	many.add("late.example", 5)
	if names, _ := many.names("x.example"); names[0] != "late.example" || slices.Contains(names, "s31.example") {
		t.Errorf("%v", names)
	}
}

func TestAbsolute(t *testing.T) {
	for name, want := range map[string]string{"x.example": "x.example.", "x.example.": "x.example.", "pbx": "pbx"} {
		if got := absolute(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
