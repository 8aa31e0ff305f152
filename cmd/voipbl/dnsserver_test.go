package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/voipbl/voipbl/internal/testdns"
)

type dnsKeyType struct{}

var dnsKey dnsKeyType

// setDNS sets what the script's DNS server at 127.0.0.1:53 answers from now on, and
// starts it if it is not there yet: dns NAME A|AAAA|SRV [VALUE ... | fails | silent], or
// dns NAME to take a name away.
func setDNS(ts *testscript.TestScript, _ bool, args []string) {
	held := ts.Value(dnsKey).(*scriptDNS)
	if held.server == nil {
		server, err := testdns.Start("127.0.0.1:53")
		ts.Check(err)
		held.server = server
		ts.Check(os.WriteFile(ts.MkAbs("resolv.conf"), []byte("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"), 0o644))
	}
	if len(args) == 1 {
		held.server.Forget(args[0])
		return
	}
	ts.Check(held.server.Set(args[0], args[1], args[2:]...))
}

type scriptDNS struct{ server *testdns.Server }

func (d *scriptDNS) close() {
	if d.server != nil {
		d.server.Close()
	}
}

// named runs a program as exits does, in a mount namespace in which that DNS server is the
// one that is asked: named CODE PROGRAM [ARG ...].
func named(ts *testscript.TestScript, neg bool, args []string) {
	wrapped := []string{args[0], "unshare", "-m", "sh", "-c", "mount --bind resolv.conf /etc/resolv.conf && exec \"$@\"", "named"}
	exits(ts, neg, append(wrapped, args[1:]...))
}
