package hub

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/document"
)

const (
	// admitIn is how long a hub may take to admit a host: it has more to do when all come at once.
	admitIn = 10 * time.Second

	// answerIn is how long it may take to answer a request.
	answerIn = 5 * time.Second

	// attachIn is how long it may take to make a stream, or a host's consumer. When all hosts come at once, the hub has
	// to make thousands: whoever gave up earlier would come again, and the hub would have worked in vain.
	attachIn = 30 * time.Second

	// A hub that does not answer pingsOutstanding pings, one each pingEvery, is given up.
	pingEvery        = 10 * time.Second
	pingsOutstanding = 2

	// queue is how many messages may wait between the library and the reader, which asks for batch at most.
	queue = 2 * batch

	// queueBytes is how many bytes these may have: a hub that sends what nobody has asked for fills no memory.
	queueBytes = 2*batch*(fleet.MaxMessage+headroom) + document.MaxSigned
)

// dial connects with the first hub that admits a user, and returns its URL. complain is called with what
// the hub says without being asked, and ended when the connection ends.
func dial(ctx context.Context, hubs []string, m member, complain, ended func(error)) (*nats.Conn, string, error) {
	var failed error
	away := true
	for _, hub := range hubs {
		nc, err := connect(ctx, hub, m, complain, ended)
		if err == nil {
			return nc, hub, nil
		}
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx) // the connection may have ended already
		}
		away = away && isAway(err)
		if err = fmt.Errorf("%s: %w", hub, err); failed != nil {
			err = fmt.Errorf("%w; %w", failed, err) // in one line, as all that status shows
		}
		failed = err
	}
	if failed == nil {
		failed = errors.New("there is no hub to connect with")
	}
	if away {
		failed = awayError{failed}
	}
	return nil, "", failed
}

// awayError is that nothing answers where a hub should be: an attempt to connect is no work for it.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

// errRefused is what the library calls ErrNoServers, which tells nobody why.
var errRefused = errors.New("connection refused: no server listens there")

// isAway reports whether nothing answers at a hub.
func isAway(err error) bool {
	var op *net.OpError
	return errors.Is(err, errRefused) || errors.As(err, &op) && op.Op == "dial"
}

// connect connects with one hub. The library is not to connect again: what has to be done then is the
// same as at first.
func connect(ctx context.Context, hub string, m member, complain, ended func(error)) (*nats.Conn, error) {
	options, config, err := m.options(hub)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(hub, append(options,
		nats.NoReconnect(),
		nats.UseOldRequestStyle(),      // for each answer a subscription of its own, without a wildcard: see TestSubscriptions
		nats.IgnoreDiscoveredServers(), // a hub does not send this host elsewhere
		nats.Timeout(admitIn),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(pingsOutstanding),
		nats.SyncQueueLen(queue),
		nats.SetCustomDialer(dialer{ctx, config, m.most}),
		func(o *nats.Options) error { o.SkipHostLookup = true; return nil }, // the dialer does it, and can be interrupted
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { complain(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) { ended(closed(nc)) }),
	)...)
	if errors.Is(err, nats.ErrNoServers) {
		err = errRefused
	}
	return nc, err
}

// closed is why a connection has ended.
func closed(nc *nats.Conn) error {
	err := nc.LastError()
	if err == nil {
		err = errors.New("the hub has ended it")
	}
	return fmt.Errorf("the connection is lost: %w", err)
}

// isRefused reports whether a hub does not admit this host.
func isRefused(err error) bool {
	for _, is := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// dialer makes connections that end with a context, even while a hub does not answer, and that are guarded.
// It encrypts them itself, since the guard has to see what is in them.
type dialer struct {
	ctx  context.Context
	tls  *tls.Config // nil: they are not encrypted
	most int         // bytes of a message
}

// Dial connects with a server.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, admitIn)
	defer cancel()
	plain := net.Dialer{Control: askTwice}
	conn, err := plain.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.ctx, func() { conn.Close() })
	if d.tls == nil {
		return &guard{Conn: conn, most: d.most}, nil
	}
	g, err := d.encrypt(ctx, conn, address)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return g, nil
}

// askTwice has the kernel try for two or three seconds to reach an address, and not for two minutes at ever longer
// intervals: when a network is there again, it may be half a minute until the next try.
func askTwice(_, _ string, conn syscall.RawConn) error {
	const again = 1
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SYNCNT, again)
	})
	return errors.Join(err, failed)
}

// encrypt reads what a server says before anything else, which is not encrypted, and encrypts the rest.
func (d dialer) encrypt(ctx context.Context, conn net.Conn, address string) (*guard, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	var first []byte
	for buf := make([]byte, 4<<10); !bytes.HasSuffix(first, []byte("\n")); {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if first = append(first, buf[:n]...); len(first) > maxLine || bytes.Contains(first[:len(first)-1], []byte("\n")) {
			return nil, errLies
		}
	}
	config := d.tls.Clone()
	config.ServerName = host
	encrypted := tls.Client(conn, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", nats.ErrTLS, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &guard{Conn: encrypted, first: first, most: d.most}, nil
}

// SkipTLSHandshake tells the library that connections are encrypted already.
func (d dialer) SkipTLSHandshake() bool { return true }
