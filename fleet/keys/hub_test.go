package keys_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	fleethub "github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// answerLimit is for a busy machine.
const answerLimit = time.Minute

// hub is a real server with the configuration of an operator, and the stream.
type hub struct {
	*testnats.Server
	t      testing.TB
	op     *keys.Operator
	keeper *user
	admin  *user
}

// startHub starts a hub in the network of the test.
func startHub(t testing.TB, program testnats.Program) *hub {
	t.Helper()
	return startForm(t, program, nil)
}

// startForm starts a hub whose streams have another form than usual, and of whose fleet something is there before.
func startForm(t testing.TB, program testnats.Program, other map[string]any, prepare ...func(*keys.Operator)) *hub {
	t.Helper()
	h := &hub{t: t}
	h.Server = program.Start(t, func(p testnats.Place) string {
		op, err := keys.New([]string{fmt.Sprintf("127.0.0.1:%d", p.Port)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h.op = op
		for _, f := range prepare {
			f(op)
		}
		return h.config(p)
	})
	keeper, err := h.op.KeeperCreds()
	h.must(err)
	h.keeper = h.login(keeper)
	admin, err := h.op.AdminCreds()
	h.must(err)
	h.admin = h.login(admin)
	if other == nil {
		h.keep(keeper)
	} else {
		h.makeStream(other)
	}
	h.passRequests(keeper)
	return h
}

// passRequests passes the requests of hosts for a consumer on to the server, with the keeper's rights and
// as they are: the keeper itself would change them, and would repair what an attack has done.
func (h *hub) passRequests(c keys.Creds) {
	h.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(c.CA))
	nc, err := nats.Connect(h.op.URLs()[0], nats.UserJWTAndSeed(c.Token, c.Seed), nats.Secure(&tls.Config{RootCAs: pool}),
		nats.CustomInboxPrefix(keys.Inbox(c.Name)), nats.NoReconnect(), nats.Timeout(answerLimit))
	h.must(err)
	h.t.Cleanup(nc.Close)
	_, err = nc.Subscribe(keys.ReaderRequests+"*", func(ask *nats.Msg) {
		key := strings.TrimPrefix(ask.Subject, keys.ReaderRequests)
		if answer, err := nc.Request("$JS.API.CONSUMER.CREATE."+keys.Stream+"."+key, ask.Data, answerLimit); err == nil {
			_ = ask.Respond(answer.Data)
		}
	})
	h.must(errors.Join(err, nc.Flush()))
}

func (h *hub) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// config returns the server's configuration, and writes the files that it names.
func (h *hub) config(p testnats.Place) string {
	h.t.Helper()
	place := keys.Place{
		Listen: fmt.Sprintf("127.0.0.1:%d", p.Port), Store: p.Store,
		Certificate: filepath.Join(p.Dir, "cert.pem"), Key: filepath.Join(p.Dir, "key.pem"),
	}
	h.must(errors.Join(
		os.WriteFile(place.Certificate, []byte(h.op.TLS.Certificate), 0o600),
		os.WriteFile(place.Key, []byte(h.op.TLS.Key), 0o600),
	))
	text, err := h.op.Server(place)
	h.must(err)
	return text
}

// keep has the keeper make the stream.
func (h *hub) keep(c keys.Creds) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	made := make(chan bool, 1)
	go func() {
		defer cancel()
		made <- testpoll.Until(answerLimit, func() bool {
			for _, name := range []string{keys.Stream, keys.Hosts, keys.Lists} {
				if text, err := h.keeper.try("$JS.API.STREAM.INFO."+name, nil); err != nil || strings.Contains(string(text), `"error"`) {
					return false
				}
			}
			return true
		})
	}()
	// Here, since only this goroutine is in the network of the test.
	_ = fleethub.Keep(ctx, fleethub.KeeperOptions{URLs: h.op.URLs(), Creds: c.Text(), Log: slog.New(slog.DiscardHandler)})
	if !<-made {
		h.t.Fatal("the keeper makes no stream")
	}
}

// streamForm is a stream like that of the keeper, which makes its own.
func streamForm() map[string]any {
	subjects := []string{"v1.doc"}
	for slot := range fleet.Slots {
		subjects = append(subjects, fmt.Sprintf("v1.ban.*.%x", slot))
	}
	return map[string]any{
		"name": keys.Stream, "subjects": subjects, "retention": "limits", "storage": "file", "discard": "old",
		"max_msgs_per_subject": 1, "max_msg_size": fleet.MaxMessage + 1<<10, "max_consumers": keys.MaxHosts,
		"max_msgs": -1, "max_bytes": -1, "num_replicas": 1, "no_ack": true, "deny_delete": true, "deny_purge": true,
	}
}

// beatForm is the stream of heartbeats, likewise.
func beatForm() map[string]any {
	form := streamForm()
	form["name"], form["subjects"], form["max_msg_size"], form["max_consumers"] = keys.Hosts, []string{beat.Subjects}, beat.MaxMessage+1<<10, keys.MaxReaders
	return form
}

// listForm is the stream of lists, likewise.
func listForm() map[string]any {
	form := streamForm()
	form["name"], form["subjects"], form["max_msg_size"] = keys.Lists, []string{"v1.copy.*", "v1.list.*"}, link.MaxCopy+1<<10
	form["max_msgs"], form["allow_direct"] = keys.ListMessages, true
	return form
}

// makeStream makes the streams, in another form than usual.
func (h *hub) makeStream(other map[string]any) {
	h.t.Helper()
	for _, form := range []map[string]any{streamForm(), beatForm(), listForm()} {
		maps.Copy(form, other)
		h.keeper.ask("$JS.API.STREAM.CREATE."+form["name"].(string), form, nil)
	}
}

// add gives a host a credential and connects it.
func (h *hub) add(name fleet.Name) *user {
	h.t.Helper()
	c, err := h.op.Add(name, time.Now())
	h.must(err)
	return h.login(c)
}

// addMirror is add for a mirror.
func (h *hub) addMirror(name fleet.Name) *user {
	h.t.Helper()
	c, err := h.op.AddMirror(name, time.Now())
	h.must(err)
	return h.login(c)
}

// user is a connection to the hub, with what it was told of what it may not do.
type user struct {
	*nats.Conn
	t       testing.TB
	creds   keys.Creds
	refused chan error
}

func (h *hub) options(c keys.Creds) nats.Options {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(c.CA)) {
		h.t.Fatal("no authority")
	}
	o := nats.GetDefaultOptions()
	o.Servers = h.op.URLs()
	o.Secure = true
	o.TLSConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	o.Timeout = answerLimit
	o.InboxPrefix = keys.Inbox(c.Name)
	h.must(nats.UserJWTAndSeed(c.Token, c.Seed)(&o))
	return o
}

// login connects a user.
func (h *hub) login(c keys.Creds) *user {
	h.t.Helper()
	u, err := h.tryLogin(c)
	h.must(err)
	return u
}

func (h *hub) tryLogin(c keys.Creds) (*user, error) {
	h.t.Helper()
	u := &user{t: h.t, creds: c, refused: make(chan error, 1000)}
	o := h.options(c)
	o.AllowReconnect = false
	o.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case u.refused <- err:
		default:
		}
	}
	conn, err := o.Connect()
	if err != nil {
		return nil, err
	}
	u.Conn = conn
	h.t.Cleanup(conn.Close)
	return u, nil
}

// ask makes a request that must succeed.
func (u *user) ask(subject string, request, answer any) {
	u.t.Helper()
	text, err := u.try(subject, request)
	if err != nil {
		u.t.Fatalf("%s: %v", subject, err)
	}
	var failed struct {
		Error struct{ Description string }
	}
	if err := json.Unmarshal(text, &failed); err != nil || failed.Error.Description != "" {
		u.t.Fatalf("%s: %v %s", subject, err, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			u.t.Fatalf("%s: %v: %s", subject, err, text)
		}
	}
}

func (u *user) try(subject string, request any) ([]byte, error) {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return nil, err
		}
	}
	m, err := u.Conn.Request(subject, body, answerLimit)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}
