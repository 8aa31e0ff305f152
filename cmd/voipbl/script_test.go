package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

func TestMain(m *testing.M) {
	testscript.Main(testbuild.M{M: m}, map[string]func(){"stand-in": standIn, testfault.Launcher: testfault.Launch})
}

// TestScripts runs the program as a user types it. Each script of
// testdata/script has a network namespace and a feed server of its own: plain
// HTTP on 127.0.0.1:8080, TLS on 127.0.0.1:8443.
func TestScripts(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("..", "..", "testdata", "script"),
		Setup: setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"expand":   expand,
			"feed":     setFeed,
			"requests": requests,
			"genfeed":  generate,
			"lock":     holdLock,
			"unlock":   releaseLock,
			"knock":    knock,
			"track":    track,
			"untrack":  untrack,
			"for-each": forEach,
			"reboot":   reboot,
			"await":    await,
			"at-once":  atOnce,
			"dns":      setDNS,
			"named":    named,

			"track-many":  trackMany,
			"asked":       asked,
			"await-asked": awaitAsked,
			"register":    register,
			"trunk":       trunk,
			"attacker":    attacker,
		},
		RequireExplicitExec: true,
	})
}

// setupScript runs on the script's own goroutine, so all that the script
// executes is in the namespace.
func setupScript(env *testscript.Env) error {
	if err := testns.Unshare(); err != nil {
		return err
	}
	server, err := startFeedServer(env.WorkDir)
	if err != nil {
		return err
	}
	env.Defer(server.close)
	env.Values[serverKey] = server
	dns := new(scriptDNS)
	env.Defer(dns.close)
	env.Values[dnsKey] = dns
	repo, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, "SSL_CERT_FILE="+server.certFile, "NO_COLOR=1", "TZ=UTC", "REPO="+repo)
	return os.Mkdir(filepath.Join(env.WorkDir, "blocklist.d"), 0o755)
}

// exits runs a program that must end with the given code: exits 3 voipbl sync.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%s ended with %d, not %d\nstdout:\n%sstderr:\n%s", strings.Join(args[1:], " "), code, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	ts.Logf("%s%s", ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// expand replaces $VARIABLES in files.
func expand(ts *testscript.TestScript, _ bool, files []string) {
	for _, f := range files {
		text := os.Expand(ts.ReadFile(f), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(text), 0o644))
	}
}

// generate writes a list of ours: genfeed FILE LINES [FAMILY].
func generate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	spec := genfeed.Default(n)
	if len(args) > 2 {
		spec.Family, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	_, err = genfeed.Write(f, spec)
	ts.Check(err)
}

// holdLock takes a lock as another process would, until unlock: lock FILE.
func holdLock(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Check(unix.Flock(int(f.Fd()), unix.LOCK_EX))
	ts.Check(os.WriteFile(f.Name(), fmt.Appendf(nil, "process 4711 (voipbl run) since 2026-01-02 03:04:05"), 0o600))
	held(ts).lock = f
}

func releaseLock(ts *testscript.TestScript, _ bool, _ []string) { held(ts).lock.Close() }

// forEach runs a program once for each word, which it gets as its last argument:
// for-each WORD ... -- [!] PROGRAM [ARG ...].
func forEach(ts *testscript.TestScript, _ bool, args []string) {
	words, command := args[:slices.Index(args, "--")], args[slices.Index(args, "--")+1:]
	fails := command[0] == "!"
	if fails {
		command = command[1:]
	}
	for _, word := range words {
		err := ts.Exec(command[0], append(slices.Clone(command[1:]), word)...)
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", command[0], err)
		}
		if (err != nil) != fails {
			ts.Fatalf("%s %s: failed %v, expected %v", strings.Join(command, " "), word, err != nil, fails)
		}
	}
}

// atOnce runs a program once for each word, as for-each does, all at the same time. Each
// must succeed.
func atOnce(ts *testscript.TestScript, _ bool, args []string) {
	words, command := args[:slices.Index(args, "--")], args[slices.Index(args, "--")+1:]
	script := strings.Join(command, " ") + ` "$1" & shift; done; code=0; for p in $(jobs -p); do wait "$p" || code=$?; done; exit $code`
	ts.Check(ts.Exec("bash", append([]string{"-c", `while [ $# -gt 0 ]; do ` + script, "bash"}, words...)...))
}

// scriptPatience is how long a script waits for anything. Most come within a second, a few when the
// agent has looked at the kernel again, which it does each minute. It is longer on a busy machine.
const scriptPatience = 2 * time.Minute

// await runs a program again and again until it succeeds, fails, or prints (or does
// not print) what a pattern says:
//
//	await [! | told PATTERN | untold PATTERN] PROGRAM [ARG ...]
func await(ts *testscript.TestScript, _ bool, args []string) {
	if _, err := strconv.Atoi(args[0]); err == nil {
		ts.Fatalf("await has one limit for all, scriptPatience")
	}
	rest, holds := args, func(err error) bool { return err == nil }
	switch rest[0] {
	case "!":
		rest, holds = rest[1:], func(err error) bool { return err != nil }
	case "told", "untold":
		pattern, want := regexp.MustCompile("(?m)"+rest[1]), rest[0] == "told"
		rest, holds = rest[2:], func(error) bool {
			return pattern.MatchString(ts.ReadFile("stdout")+ts.ReadFile("stderr")) == want
		}
	}
	if !testpoll.Until(scriptPatience, func() bool {
		err := ts.Exec(rest[0], rest[1:]...)
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", rest[0], err)
		}
		return holds(err)
	}) {
		ts.Fatalf("not within %v: %s\n%s%s", scriptPatience, strings.Join(args, " "), ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// reboot takes everything out of the kernel that a boot would: what follows is in
// a new network namespace.
func reboot(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(testns.Unshare()) }

// knock sends one UDP packet with one byte from an address of this host to
// 127.0.0.1: knock ADDR. The rules have seen it when knock returns, for loopback
// delivers before send does.
func knock(ts *testscript.TestScript, _ bool, args []string) {
	from := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(args[0]), 0))
	conn, err := net.DialUDP("udp4", from, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060})
	ts.Check(err)
	defer conn.Close()
	_, err = conn.Write([]byte("x"))
	ts.Check(err)
}

// track makes the kernel track a flow: track udp FROM:PORT TO:PORT.
func track(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(testns.Track(args[0] == "tcp", netip.MustParseAddrPort(args[1]), netip.MustParseAddrPort(args[2])))
}

// untrack makes the kernel forget what track has made it track: the same words.
func untrack(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(testns.Untrack(args[0] == "tcp", netip.MustParseAddrPort(args[1]), netip.MustParseAddrPort(args[2])))
}

// trackMany makes the kernel track a UDP flow from each of many addresses: track-many N FIRST TO:PORT.
func trackMany(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	from, to := netip.MustParseAddr(args[1]), netip.MustParseAddrPort(args[2])
	for range n {
		ts.Check(testns.Track(false, netip.AddrPortFrom(from, 5060), to))
		from = from.Next()
	}
}

type serverKeyType struct{}

var serverKey serverKeyType

func held(ts *testscript.TestScript) *feedServer { return ts.Value(serverKey).(*feedServer) }
