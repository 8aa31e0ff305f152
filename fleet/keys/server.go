package keys

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/link"
)

// Limits of the server.
const (
	// maxStore is room for all slots and heartbeats of as many hosts as there may be, and for lists, with what
	// the store needs for each message. It is not taken beforehand.
	maxStore = MaxHosts*(fleet.Slots*(fleet.MaxMessage+1<<10)+beat.MaxMessage+1<<10) + ListBytes

	// maxMemoryStore: there is no stream in memory. 0 would be three quarters of the machine's.
	maxMemoryStore = 1 << 20

	// maxPayload is room for a list of a mirror's. That of hosts is in their credentials.
	maxPayload = link.MaxCopy + 64<<10

	// maxPending is what the server keeps for a connection that does not read: a list, and one and a half
	// rounds of a host's pull, with the longest messages. NATS' default would be 64 MB for each.
	maxPending = maxPayload + Round*(fleet.MaxMessage+1<<10)*3/2

	// maxControlLine is room for a credential, as the first line of a connection has it.
	maxControlLine = 4 << 10

	// writeDeadline is how long one who does not read delays others.
	writeDeadline = 5 * time.Second

	// A host that has gone without a word, as when its link broke, is off after half a minute. By NATS' defaults
	// it would be after six: meanwhile it comes again, and would look as if its key had been copied.
	// nats-server 2.9 asks no host to which it sends something at least as often, such as the beats of an open
	// request: there, a host is off when it comes again, or the kernel gives its connection up.
	pingEvery        = 10 * time.Second
	pingsOutstanding = 2

	// handshake is for hosts with slow processors and many of them at once. NATS' default of 2 s
	// would make all hosts try again and again after the hub was away.
	handshake = 20 * time.Second
)

const (
	// ListMessages is how many messages about lists the hub has, of the whole fleet: two for each list. The
	// oldest ones make room.
	ListMessages = 1024

	// ListBytes is how many bytes these may have: 128 of the longest lists, or all of usual ones.
	ListBytes = 128 * maxPayload
)

// Environment is what the server's process needs in its environment, beside the configuration: by Go's default, its
// garbage would take as much memory as all that it keeps, which is about 90 KB for each host.
const Environment = "GOGC=40"

// Round is how many messages a host asks for at once.
const Round = 128

// Place is what the server's configuration says of files and of where it listens.
type Place struct {
	Listen      string // HOST:PORT; "": everywhere, at the hubs' port
	Store       string // folder of the streams
	Certificate string // file, unless the operator has files of their own
	Key         string // file, as well
}

// Marker is the first line of a configuration that voipbl has written.
const Marker = "# Written by voipbl (voipbl fleet init). Changes here are lost: it writes this file anew."

// Server returns the configuration of nats-server: the same text for the same fleet.
func (o *Operator) Server(p Place) (string, error) {
	if err := o.sign(); err != nil {
		return "", err
	}
	keys := make(map[string]string)
	for _, k := range o.keys() {
		public, err := public(*k.seed)
		if err != nil {
			return "", err
		}
		keys[k.name] = public
	}
	if p.Listen == "" {
		p.Listen = "0.0.0.0:" + portOf(o.Hubs[0]) // as Go reads it: IPv6, too
	}
	if o.TLS.Own() {
		p.Certificate, p.Key = o.TLS.CertificateFile, o.TLS.KeyFile
	}
	var b lines
	b.line("%s", Marker)
	b.line("# It has no secrets. There is no port for monitoring, and no server may connect but relays of this fleet.")
	b.line("")
	b.line("server_name: voipbl")
	b.line("listen: %q", p.Listen)
	b.limits(p.Certificate, p.Key)
	if len(o.Relays) > 0 {
		b.line("leafnodes {")
		b.line("  listen: \"0.0.0.0:%d\"", o.RelayPort)
		b.line("  advertise: %q", strings.TrimSuffix(o.Hubs[0], portOf(o.Hubs[0]))+strconv.Itoa(o.RelayPort))
		b.line("  tls { cert_file: %q, key_file: %q, timeout: %d }", p.Certificate, p.Key, int(handshake.Seconds()))
		b.line("}")
	}
	b.line("")
	b.line("jetstream {")
	b.line("  store_dir: %q", p.Store)
	b.line("  max_memory_store: %d", maxMemoryStore)
	b.line("  max_file_store: %d", int64(maxStore))
	b.line("}")
	b.line("")
	accounts := []string{keys["system"], keys["streams"], keys["members"]}
	signed := []string{o.System.Signed, o.Streams.Signed, o.Members.Signed}
	for _, r := range o.Relays {
		account, has := r.AccountKey()
		if !has {
			continue
		}
		accounts, signed = append(accounts, account), append(signed, r.Account.Signed)
	}
	b.accounts(o.Signed, keys["system"], accounts, signed)
	return b.String(), nil
}

// lines are those of a server's configuration.
type lines struct{ strings.Builder }

func (b *lines) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

// limits are those of connections, with the files of the server's certificate and its key.
func (b *lines) limits(certificate, key string) {
	b.line("tls {")
	b.line("  cert_file: %q", certificate)
	b.line("  key_file: %q", key)
	b.line("  timeout: %d", int(handshake.Seconds()))
	b.line("}")
	b.line("authorization { timeout: %d }", int(handshake.Seconds()))
	b.line("")
	b.line("max_connections: %d", MaxHosts+ownConnections)
	b.line("max_payload: %d", maxPayload)
	b.line("max_pending: %d", maxPending)
	b.line("max_control_line: %d", maxControlLine)
	b.line("write_deadline: %q", writeDeadline)
	b.line("ping_interval: %q", pingEvery)
	b.line("ping_max: %d", pingsOutstanding)
}

// accounts are all that the server has, by their public keys.
func (b *lines) accounts(operator, system string, keys, signed []string) {
	b.line("# Who may connect, and may do what: all signed by the operator.")
	b.line("operator: %s", operator)
	b.line("system_account: %s", system)
	b.line("resolver: MEMORY")
	b.line("resolver_preload: {")
	for i, key := range keys {
		b.line("  %s: %s", key, signed[i])
	}
	b.line("}")
}
