package ami

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// Waits between two connections: longer each time, until one has lasted.
const (
	firstWait = time.Second
	longest   = 30 * time.Second
	lasting   = 10 * time.Second
)

// Settings are where Asterisk's manager interface is, and a user of it with read=security,system and
// write=reporting.
type Settings struct {
	Address netip.AddrPort // of this host
	User    string
	Secret  string

	// RunsAs is the user of this host that runs Asterisk, by name or number; "" is "asterisk". Another
	// one who listens at the address is not believed, unless it is root.
	RunsAs string
}

// String returns the settings without the secret.
func (s Settings) String() string { return fmt.Sprintf("%s as %s", s.Address, s.User) }

// Client makes observations of the events of an Asterisk on this host. It implements [pbx.Source].
//
// It does not believe an Asterisk whose events strangers can write whole: where the manager interface
// is open over HTTP (webenabled), and with chan_sip. Then it makes no observations.
type Client struct {
	settings Settings
	dial     func(context.Context) (net.Conn, error)
	believe  func(net.Conn) error // who has greeted
	tracker  *tracker
	see      func(pbx.Observation)

	mu     sync.Mutex
	health Health
}

// Health is how it goes.
type Health struct {
	Since    time.Time // of the connection on which events come; zero if there is none
	Events   uint64    // that were read
	SIP      uint64    // of these: those about SIP requests that name an account
	Dropped  uint64    // messages that were not as Asterisk writes them: most likely, strangers have
	Contacts string    // why registrations are not known; "" if they are
	Problem  string    // why there is no connection, or why the last one has ended
}

// New returns a client. It refuses addresses that are not of this host: nothing is encrypted.
func New(s Settings) (*Client, error) {
	switch {
	case !s.Address.Addr().IsLoopback():
		return nil, fmt.Errorf("the manager interface at %s: it is not a loopback address", s.Address)
	case s.User == "" || s.Secret == "":
		return nil, errors.New("the manager interface: there is no user, or no secret")
	case strings.ContainsAny(s.User, "\r\n"):
		return nil, errors.New("the manager interface: the user has a line break")
	}
	c := &Client{settings: s, tracker: newTracker()}
	c.dial, c.believe = s.dial, s.believe
	return c, nil
}

// Health returns how it goes.
func (c *Client) Health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health
}

func (c *Client) note(change func(*Health)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.health)
}

// Watch makes observations until ctx ends, and returns its error. It connects again whenever a
// connection ends, and tells of what was lost by [pbx.Lost].
func (c *Client) Watch(ctx context.Context, see func(pbx.Observation)) error {
	c.see = see
	wait := firstWait
	for {
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lost := false
		c.note(func(h *Health) {
			lost = !h.Since.IsZero()
			h.Since, h.Problem = time.Time{}, err.Error()
		})
		if lost {
			see(pbx.Observation{At: time.Now(), What: pbx.Lost})
		}
		if time.Since(began) >= lasting {
			wait = firstWait
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, longest)
	}
}

// session connects, and makes observations until the connection ends.
func (c *Client) session(ctx context.Context) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	s := newSession(c, conn)
	defer s.close()
	if err = s.start(ctx); err == nil {
		c.note(func(h *Health) { h.Since, h.Problem = time.Now(), "" })
		err = s.run(ctx)
	}
	return err
}
