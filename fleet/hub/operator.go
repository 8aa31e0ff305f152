package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
)

// Connection is one of a host with the hub, as the server knows it.
type Connection struct {
	Key     string    // public, by which the server has admitted it
	Name    string    // in the credential, which the operator has signed
	Address string    // from where
	Since   time.Time // by the hub's clock
}

// Asker asks the server of the hub about itself.
type Asker struct {
	nc      *nats.Conn
	account string // of the hosts
}

// Ask connects with the server. creds are those of the operator's user for that, account is the public key
// of the account that hosts are in. The caller closes the Asker.
func Ask(ctx context.Context, urls []string, creds []byte, account string) (*Asker, error) {
	m, err := memberOf(creds, "")
	if err != nil {
		return nil, err
	}
	nc, _, err := dial(ctx, urls, m, func(error) {}, func(error) {})
	if err != nil {
		return nil, err
	}
	return &Asker{nc, account}, nil
}

// Close ends the connection.
func (a *Asker) Close() { a.nc.Close() }

// ask sends a request to the server and reads the data of its answer into v.
func (a *Asker) ask(ctx context.Context, subject string, request, v any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	m, err := a.nc.RequestWithContext(ctx, subject, text)
	if err != nil {
		return asked("about itself", err)
	}
	answer := struct {
		Data  any `json:"data"`
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}{Data: v}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("the answer of the hub's server: %w", err)
	}
	if answer.Error != nil {
		return errors.New("the hub's server: " + answer.Error.Description)
	}
	return nil
}

// page is of how many connections the server tells at once.
const page = 256

// connections asks for one page of the connections of an account, and says how many there are on all pages.
func (a *Asker) connections(ctx context.Context, account string, offset int) (all []Connection, total int, err error) {
	var answer struct {
		Total       int `json:"total"`
		Connections []struct {
			IP    string    `json:"ip"`
			Port  int       `json:"port"`
			Start time.Time `json:"start"`
			User  string    `json:"authorized_user"`
			Name  string    `json:"name_tag"`
		} `json:"connections"`
	}
	request := map[string]any{"auth": true, "acc": account, "offset": offset, "limit": page}
	if err := a.ask(ctx, "$SYS.REQ.SERVER.PING.CONNZ", request, &answer); err != nil {
		return nil, 0, err
	}
	for _, c := range answer.Connections {
		all = append(all, Connection{c.User, c.Name, net.JoinHostPort(c.IP, strconv.Itoa(c.Port)), c.Start})
	}
	return all, answer.Total, nil
}

// Connections are those of all hosts now. One that comes or goes meanwhile may be missing or be there twice.
func (a *Asker) Connections(ctx context.Context) ([]Connection, error) {
	return a.allConnections(ctx, a.account)
}

// allConnections are those of an account. The server is not asked for those of one user: nats-server 2.9.10
// says that there are none.
func (a *Asker) allConnections(ctx context.Context, account string) ([]Connection, error) {
	var all []Connection
	for {
		more, total, err := a.connections(ctx, account, len(all))
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(more) == 0 || len(all) >= total {
			return all, nil
		}
	}
}

// IsConnected reports whether a user of an account is connected now; both are public keys.
func (a *Asker) IsConnected(ctx context.Context, account, key string) (bool, error) {
	all, err := a.allConnections(ctx, account)
	return slices.ContainsFunc(all, func(c Connection) bool { return c.Key == key }), err
}

// Refused are the public keys of hosts that the server refuses, as it has it now: not what a file says.
func (a *Asker) Refused(ctx context.Context) ([]string, error) { return a.refused(ctx, a.account) }

// refused are those of an account.
func (a *Asker) refused(ctx context.Context, account string) ([]string, error) {
	var answer struct {
		Revoked map[string]time.Time `json:"revoked_user"`
	}
	if err := a.ask(ctx, "$SYS.REQ.ACCOUNT."+account+".INFO", nil, &answer); err != nil {
		return nil, err
	}
	var all []string
	for key := range answer.Revoked {
		all = append(all, key)
	}
	slices.Sort(all)
	return all, nil
}

// CutOff reports whether the server refuses all these keys, and none of their connections is left. If not,
// why says what it has seen.
func (a *Asker) CutOff(ctx context.Context, revoked []string) (is bool, why string, err error) {
	return a.CutOffFrom(ctx, a.account, revoked)
}

// CutOffFrom is CutOff for an account, such as a relay's.
func (a *Asker) CutOffFrom(ctx context.Context, account string, revoked []string) (is bool, why string, err error) {
	refused, err := a.refused(ctx, account)
	if err != nil {
		return false, "", err
	}
	for _, key := range revoked {
		if !slices.Contains(refused, key) {
			return false, "the server still admits the key " + key, nil
		}
	}
	all, err := a.allConnections(ctx, account)
	if err != nil {
		return false, "", err
	}
	for _, c := range all {
		if slices.Contains(revoked, c.Key) {
			return false, "a connection of it is left, from " + c.Address, nil
		}
	}
	return true, "", nil
}

// TakeOut takes out all that a host has said, so that others take its bans back. Each slot gets a message
// without bans, also one of which the hub has none: it may have lost that, and others go on with what
// they have heard. With a mirror go all lists, since one that somebody has broken into can have put lists by the
// name of another one: the other mirrors put theirs at the hub again. It returns how many messages about bans were
// replaced. creds are those of the operator's user for that.
func TakeOut(ctx context.Context, urls []string, creds []byte, name fleet.Name, mirror bool) (emptied int, err error) {
	m, err := memberOf(creds, serverAPI)
	if err != nil {
		return 0, err
	}
	nc, _, err := dial(ctx, urls, m, func(error) {}, func(error) {})
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.NewWithAPIPrefix(nc, m.api)
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, keys.Stream)
	if err != nil {
		return 0, asked("about its stream", err)
	}
	for slot := range fleet.Slots {
		was, err := empty(ctx, nc, stream, fleet.Subject(name, slot))
		if err != nil {
			return emptied, err
		}
		if was {
			emptied++
		}
	}
	if mirror {
		_, err = takeListsOut(ctx, nc, js, func(string) bool { return true })
	}
	return emptied, err
}

// emptyPoll is how often the stream is looked at until it has a message: it acknowledges none.
const emptyPoll = 20 * time.Millisecond

// empty replaces the message of a slot by one without bans.
func empty(ctx context.Context, nc *nats.Conn, stream jetstream.Stream, subject string) (was bool, err error) {
	nothing, _ := fleet.Encode("operator", nil, 0)
	return replace(ctx, nc, stream, subject, nothing)
}

// replace replaces the message of a subject by one that says nothing, and returns once the stream has that. It
// reports whether there was another one.
func replace(ctx context.Context, nc *nats.Conn, stream jetstream.Stream, subject string, nothing []byte) (was bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	for published := false; ; {
		last, err := stream.GetLastMsgForSubject(ctx, subject)
		switch {
		case err == nil && bytes.Equal(last.Data, nothing):
			return was, nil
		case err != nil && !errors.Is(err, jetstream.ErrMsgNotFound):
			return was, asked("what a host has said", err)
		}
		if !published {
			was = err == nil
			if err := nc.Publish(subject, nothing); err != nil {
				return false, err
			}
			published = true
		}
		if err := sleep(ctx, emptyPoll); err != nil {
			return was, asked("to take out what a host has said", err)
		}
	}
}
