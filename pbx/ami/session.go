package ami

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

// Time limits. Asterisk answers within milliseconds, and closes the connection of who does not read.
const (
	answerLimit = 10 * time.Second
	writeLimit  = 5 * time.Second
	beat        = 20 * time.Second // between two questions whether Asterisk is there, and to be believed
	silence     = 3 * beat         // after which it is taken to hang
)

// waiting is how many messages wait to be looked at; more wait in the kernel. Strangers can make each of
// them as long as a packet.
const waiting = 16

// greeting is how Asterisk begins, followed by the version of its manager interface.
const greeting = "Asterisk Call Manager/"

var (
	errHTTP = errors.New("it is open over HTTP too, where anybody who reaches it can write events: set webenabled = no in manager.conf and run \"asterisk -rx 'manager reload'\"")
	errSIP  = errors.New("chan_sip is loaded, with which anybody can write events: unload it (noload = chan_sip.so in modules.conf), or do without the manager interface")
)

// session is one connection.
type session struct {
	client   *Client
	conn     net.Conn
	messages chan message
	ended    error // why no more messages come; read it after messages is closed
	done     chan struct{}
	heard    time.Time // when the last message came

	asked    string    // the ActionID of the question whether Asterisk is to be believed; "" if it is answered
	since    time.Time // since when there is no answer to it
	contacts listing
	trunks   trunks
}

func newSession(c *Client, conn net.Conn) *session {
	s := &session{client: c, conn: conn, messages: make(chan message, waiting), done: make(chan struct{}), heard: time.Now()}
	s.contacts, s.trunks = newListing(s), newTrunks(s)
	return s
}

// read reads messages until the connection ends.
func (s *session) read() {
	defer close(s.messages)
	r := newReader(s.conn)
	for {
		m, err := r.next()
		if err != nil {
			s.ended = err
			return
		}
		select {
		case s.messages <- m:
		case <-s.done:
			return
		}
	}
}

func (s *session) close() {
	close(s.done)
	_ = s.conn.Close()
	for range s.messages { // until the reader has ended
	}
}

// ask sends an action, and returns what the answer is known by. Nobody can guess it.
func (s *session) ask(action string, fields ...string) (id string, err error) {
	id = rand.Text()
	text := "Action: " + action + "\r\nActionID: " + id + "\r\n"
	for _, f := range fields {
		text += f + "\r\n"
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return "", err
	}
	_, err = io.WriteString(s.conn, text+"\r\n")
	_ = s.conn.SetWriteDeadline(time.Time{}) // which would wake the program; an error comes with the next one, too
	return id, err
}

// answer asks, and waits for the answer. It is for the time before events come.
func (s *session) answer(ctx context.Context, action string, fields ...string) (message, error) {
	id, err := s.ask(action, fields...)
	if err != nil {
		return message{}, err
	}
	limit := time.NewTimer(answerLimit)
	defer limit.Stop()
	for {
		select {
		case m, ok := <-s.messages:
			switch {
			case !ok:
				return message{}, s.end()
			case m.broken || !m.is("Response") || m.get("ActionID") != id:
				continue
			case m.fields[0].value != "Success":
				return message{}, fmt.Errorf("%s: %s", strings.ToLower(action), pbx.Text(m.get("Message")))
			}
			return m, nil
		case <-limit.C:
			return message{}, fmt.Errorf("%s: no answer in %v", strings.ToLower(action), answerLimit)
		case <-ctx.Done():
			return message{}, ctx.Err()
		}
	}
}

// end returns why no more messages come.
func (s *session) end() error {
	if errors.Is(s.ended, io.EOF) {
		return errors.New("it has closed the connection")
	}
	return s.ended
}

// start logs in, makes sure that events can be believed, and has Asterisk send them.
func (s *session) start(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	err := s.greet()
	if err == nil {
		err = s.client.believe(s.conn)
	}
	if err != nil {
		close(s.messages)
		return err
	}
	go s.read()
	challenge, err := s.answer(ctx, "Challenge", "AuthType: MD5")
	if err != nil {
		return err
	}
	key := md5.Sum([]byte(challenge.get("Challenge") + s.client.settings.Secret))
	_, err = s.answer(ctx, "Login", "AuthType: MD5", "Username: "+s.client.settings.User, "Key: "+hex.EncodeToString(key[:]), "Events: system")
	if err != nil {
		return err
	}
	commands, err := s.answer(ctx, "ListCommands")
	if err != nil {
		return err
	}
	if commands.get("SIPpeers") != "" {
		return errSIP
	}
	settings, err := s.answer(ctx, "CoreSettings")
	if err != nil {
		return err
	}
	if err := believable(settings); err != nil {
		return err
	}
	s.trunks.begin(commands)
	_, err = s.answer(ctx, "Events", "EventMask: security,system")
	return err
}

// greet reads Asterisk's first line. It reads no further.
func (s *session) greet() error {
	if err := s.conn.SetReadDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := io.ReadFull(s.conn, b); err != nil {
			return fmt.Errorf("it has not greeted: %w", err)
		}
		if b[0] == '\n' {
			break
		}
		if len(line) == pbx.MaxText {
			return errors.New("who greets is not Asterisk")
		}
	}
	if !strings.HasPrefix(string(line), greeting) {
		return errors.New("who greets is not Asterisk")
	}
	return s.conn.SetReadDeadline(time.Time{})
}

// believable returns an error if strangers can write events. settings are the answer to CoreSettings.
func believable(settings message) error {
	switch settings.get("CoreHTTPenabled") {
	case "No":
		return nil
	case "Yes":
		return errHTTP
	}
	return errors.New("it does not say whether it is open over HTTP")
}

// run makes observations until the connection ends.
func (s *session) run(ctx context.Context) error {
	beats := time.NewTicker(beat)
	defer beats.Stop()
	defer s.contacts.timer.Stop()
	defer s.trunks.timer.Stop()
	for {
		var err error
		select {
		case m, ok := <-s.messages:
			if !ok {
				return s.end()
			}
			err = s.take(m)
		case <-beats.C:
			switch {
			case time.Since(s.heard) >= silence:
				return fmt.Errorf("it has said nothing for %v", silence)
			case s.asked == "":
				err = s.doubt()
			case time.Since(s.since) >= silence:
				return fmt.Errorf("it has not answered for %v", silence)
			}
		case <-s.contacts.timer.C:
			err = s.contacts.due()
		case <-s.trunks.timer.C:
			err = s.trunks.due()
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// doubt asks whether Asterisk is still to be believed.
func (s *session) doubt() (err error) {
	if s.asked == "" {
		s.since = time.Now()
	}
	s.asked, err = s.ask("CoreSettings")
	return err
}

// take takes a message.
func (s *session) take(m message) error {
	s.heard = time.Now()
	id := m.get("ActionID")
	switch {
	case !m.broken && id != "" && id == s.asked:
		s.asked = ""
		return believable(m)
	case !m.broken && id != "" && id == s.contacts.asked:
		return s.contacts.take(m)
	case !m.broken && id != "" && id == s.trunks.asked:
		return s.trunks.take(m)
	case m.is("Response") && !m.broken, m.isSecret():
		return nil // to a question that is given up; passwords
	}
	if service := m.service(); service != "" && service != "PJSIP" && service != "AMI" {
		return errSIP
	}
	e, is := m.security()
	if !m.genuine() || is && !e.whole {
		s.client.note(func(h *Health) { h.Dropped++ })
		return nil
	}
	s.client.note(func(h *Health) {
		h.Events++
		if is && e.service == "PJSIP" {
			h.SIP++
		}
	})
	switch {
	case m.fields[0].value == "Reload": // of the manager interface, perhaps, or of trunks
		s.trunks.plan()
		return s.doubt()
	case m.fields[0].value == "Registry" && m.get("Status") == "Registered":
		s.trunks.plan()
	}
	if !is {
		return nil
	}
	if o, ok := s.client.tracker.see(e, s.heard); ok {
		s.client.see(o)
	}
	s.contacts.plan()
	return nil
}
