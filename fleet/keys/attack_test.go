package keys_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// site is a hub with one honest host that has said something, and somebody who sees all.
type site struct {
	*hub
	victim   *user
	root     *user // may do everything in the stream's account
	probes   int
	attacks  int
	known    []string          // names of consumers that there may be
	forged   bool              // the victim has got a message that the stream did not send
	stolen   int               // messages for the victim that somebody else has got
	expected map[string]string // what the stream has to have, by subject
	beat     string            // the victim's last heartbeat
	sub      *nats.Subscription
	read     uint64 // of the victim's consumer
}

const (
	victimName = "zeta_pbx1"
	listKey    = "00000000000000000000000000000001" // of a list that a mirror has fetched
	otherKey   = "00000000000000000000000000000002" // of one of the attacker's
)

func newSite(t testing.TB, program testnats.Program, other map[string]any, prepare ...func(*keys.Operator)) *site {
	t.Helper()
	s := &site{hub: startForm(t, program, other, prepare...), expected: map[string]string{}}
	s.root = s.almighty(s.op.Streams.Key)
	s.victim = s.add(victimName)
	s.known = append(s.known, s.victim.creds.Consumer())
	for slot := range fleet.Slots {
		s.say(s.victim, fleet.Subject(victimName, slot), fmt.Sprintf(`{"bans":[],"slot":%d}`, slot))
	}
	s.say(s.admin, "v1.doc", `{"body":"","sig":""}`)
	s.beat = `{"version":"the victim's","protected":true}`
	s.must(s.victim.Publish(beat.Subject(victimName), []byte(s.beat)))
	s.must(s.victim.Flush())
	if !testpoll.Until(answerLimit, func() bool { return s.lastOf(keys.Hosts, beat.Subject(victimName)) == s.beat }) {
		s.t.Fatal("the victim's heartbeat is not stored")
	}
	mirror := s.addMirror("zeta_hub")
	s.say(mirror, fleet.ListSubject(listKey), `{"from":"zeta_hub"}`)
	s.say(mirror, fleet.CopySubject(listKey), "a list")
	s.makeConsumer(s.victim)
	var err error
	s.sub, err = s.victim.SubscribeSync(keys.Inbox(victimName) + ".pull")
	s.must(err)
	for subject := range s.expected {
		if streamOf(subject) == keys.Stream {
			s.next()
		}
	}
	return s
}

// almighty connects a user with all rights in an account.
func (h *hub) almighty(account string) *user {
	h.t.Helper()
	return h.login(h.signed("root", account, nil))
}

// signed is a credential with any claims, signed by any key.
func (h *hub) signed(name, signer string, change func(*jwt.UserClaims)) keys.Creds {
	h.t.Helper()
	u := testnats.NewUser(h.t, name, signer, change)
	return keys.Creds{Token: u.Token, Seed: u.Seed, CA: h.op.TLS.Authority, Name: name, Key: u.Key}
}

// say publishes, and waits until the stream has it.
func (s *site) say(u *user, subject, text string) {
	s.t.Helper()
	s.must(u.Publish(subject, []byte(text)))
	s.must(u.Flush())
	s.expected[subject] = text
	if !testpoll.Until(answerLimit, func() bool { return s.last(subject) == text }) {
		s.t.Fatalf("%s: the stream has %q, want %q", subject, s.last(subject), text)
	}
}

// streamOf is the stream that a subject is in.
func streamOf(subject string) string {
	if strings.HasPrefix(subject, "v1.list.") || strings.HasPrefix(subject, "v1.copy.") {
		return keys.Lists
	}
	return keys.Stream
}

// last is the message of a subject.
func (s *site) last(subject string) string { s.t.Helper(); return s.lastOf(streamOf(subject), subject) }

// lastOf is that in a stream.
func (s *site) lastOf(stream, subject string) string {
	s.t.Helper()
	text, err := s.root.try("$JS.API.STREAM.MSG.GET."+stream, map[string]any{"last_by_subj": subject})
	s.must(err)
	var m struct {
		Message struct{ Data []byte }
	}
	s.must(json.Unmarshal(text, &m))
	return string(m.Message.Data)
}

func consumerForm(name string, other map[string]any) map[string]any {
	form := map[string]any{"name": name, "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant", "inactive_threshold": time.Hour}
	maps.Copy(form, other)
	return map[string]any{"stream_name": keys.Stream, "config": form}
}

func (s *site) makeConsumer(u *user) {
	s.t.Helper()
	u.ask(keys.APIPrefix+".CONSUMER.CREATE."+keys.Stream+"."+u.creds.Consumer(), consumerForm(u.creds.Consumer(), nil), nil)
}

// next is the next message of the victim's consumer: all messages, each once.
func (s *site) next() *nats.Msg {
	s.t.Helper()
	s.must(s.victim.PublishRequest(keys.APIPrefix+".CONSUMER.MSG.NEXT."+keys.Stream+"."+s.victim.creds.Consumer(), s.sub.Subject, []byte(`{"batch":1,"expires":20000000000}`)))
	m, err := s.sub.NextMsg(answerLimit)
	s.must(err)
	meta, err := m.Metadata()
	if err != nil {
		s.forged = true
		return m
	}
	s.stolen += int(meta.Sequence.Consumer - s.read - 1)
	s.read = meta.Sequence.Consumer
	return m
}

// attacker is a host that somebody else has got hold of.
type attacker struct {
	*user
	*site
	name string
	api  string // before JetStream's requests
}

// attack gives a host to the attacker.
func (s *site) attack() attacker {
	s.t.Helper()
	s.attacks++
	name := fmt.Sprintf("acme_pbx%d", s.attacks)
	return s.listening(attacker{s.add(fleet.Name(name)), s, name, keys.APIPrefix})
}

// listening is an attacker who gets answers: the server does not send some if nobody listens.
func (s *site) listening(a attacker) attacker {
	s.t.Helper()
	s.known = append(s.known, a.creds.Consumer())
	_, err := a.Subscribe(a.inbox(), func(*nats.Msg) {})
	s.must(err)
	return a
}

// loosened is somebody with all rights in an account, for whom the attacks have to work.
func (s *site) loosened(account, api string) attacker {
	s.t.Helper()
	return s.listening(attacker{s.almighty(account), s, "acme_root", api})
}

// own is a slot of the attacker's.
func (a attacker) own(slot int) string { return fleet.Subject(fleet.Name(a.name), slot) }

// send publishes whatever the server thinks of that.
func (a attacker) send(subject, reply, text string, header ...string) {
	m := &nats.Msg{Subject: subject, Reply: reply, Data: []byte(text)}
	for i := 0; i+1 < len(header); i += 2 {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header[header[i]] = []string{header[i+1]}
	}
	_ = a.user.PublishMsg(m) // the connection may be closed already
}

// done waits until the server has done all that was sent.
func (a attacker) done() { _ = a.user.FlushTimeout(answerLimit) }

// requests are API requests that the attacker sends, with an answer at reply.
func (a attacker) request(path string, body any, reply string, header ...string) {
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		a.must(err)
		text = string(b)
	}
	a.send(a.api+"."+path, reply, text, header...)
}

// consumer makes the attacker's own consumer, and reports whether the server has it.
func (a attacker) consumer(other map[string]any) bool {
	name := a.creds.Consumer()
	inbox := keys.Inbox(a.creds.Name) + ".made"
	sub, err := a.SubscribeSync(inbox)
	a.must(err)
	defer func() { _ = sub.Unsubscribe() }()
	a.request("CONSUMER.CREATE."+keys.Stream+"."+name, consumerForm(name, other), inbox)
	m, err := sub.NextMsg(answerLimit)
	return err == nil && !strings.Contains(string(m.Data), `"error"`)
}

// delivered waits until the attacker's consumer has sent all that it will send: one that sends by
// itself sends only where somebody listens, another only what it is asked for.
func (a attacker) delivered() {
	a.t.Helper()
	if !testpoll.Until(answerLimit, func() bool {
		text, err := a.root.try("$JS.API.CONSUMER.INFO."+keys.Stream+"."+a.creds.Consumer(), nil)
		a.must(err)
		var info struct {
			Config  map[string]any
			Pending int  `json:"num_pending"`
			Waiting int  `json:"num_waiting"`
			Bound   bool `json:"push_bound"`
		}
		a.must(json.Unmarshal(text, &info))
		push := info.Config["deliver_subject"] != nil
		return info.Pending == 0 || push && !info.Bound || !push && info.Waiting == 0
	}) {
		a.t.Error("the attacker's consumer does not send")
	}
}

// harm is what is no more as it was. It is called after each attack.
func (s *site) harm() (found []string) {
	s.t.Helper()
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	s.forged, s.stolen = false, 0
	// What another host says still comes through. When it has, the stream has sent all before it.
	s.probes++
	// Another message comes before it, which a request in the victim's name would get.
	s.must(s.root.Publish("v1.ban.probe_pbx1.1", fmt.Append(nil, "before ", s.probes)))
	s.expected["v1.ban.probe_pbx1.1"] = fmt.Sprint("before ", s.probes)
	text := fmt.Sprintf("probe %d", s.probes)
	s.must(s.root.Publish("v1.ban.probe_pbx1.0", []byte(text)))
	s.must(s.root.Flush())
	s.expected["v1.ban.probe_pbx1.0"] = text
	info, err := s.victim.try(keys.APIPrefix+".STREAM.INFO."+keys.Stream, map[string]any{"subjects_filter": ">"})
	var stream struct {
		Config map[string]any
		State  struct {
			Subjects map[string]int
		}
		Error *struct{ Description string }
	}
	s.must(err)
	s.must(json.Unmarshal(info, &stream))
	if stream.Error != nil {
		add("the stream: %s", stream.Error.Description)
		return found
	}
	consumer, err := s.root.try("$JS.API.CONSUMER.INFO."+keys.Stream+"."+s.victim.creds.Consumer(), nil)
	s.must(err)
	var c struct {
		Config map[string]any
		Error  *struct{ Description string }
	}
	s.must(json.Unmarshal(consumer, &c))
	switch {
	case c.Error != nil:
		add("the victim's consumer: %s", c.Error.Description)
	case c.Config["deliver_subject"] != nil || c.Config["filter_subject"] != nil || c.Config["durable_name"] != nil:
		add("the victim's consumer is another one: %v", c.Config)
	default:
		for m := s.next(); string(m.Data) != text; m = s.next() {
			if m.Header.Get("Status") == "408" { // somebody else's request was first
				add("the victim is not sent what the stream has")
				break
			}
			if want, ours := s.expected[m.Subject]; ours && string(m.Data) != want {
				add("the victim was sent %s %s", m.Subject, m.Data)
			}
		}
	}
	if s.forged {
		add("the victim got an answer of somebody else's")
	}
	if s.stolen > 0 {
		add("%d messages for the victim went to somebody else", s.stolen)
	}
	for _, subject := range slices.Sorted(maps.Keys(s.expected)) {
		if got := s.last(subject); got != s.expected[subject] {
			add("%s has %q instead of %q", subject, got, s.expected[subject])
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(stream.State.Subjects)) {
		name, _, ok := fleet.ParseSubject(subject)
		if _, ours := s.expected[subject]; !ours && (!ok || !strings.HasPrefix(string(name), "acme_")) {
			add("the stream has %s", subject)
		}
	}
	if got := s.lastOf(keys.Hosts, beat.Subject(victimName)); got != s.beat {
		add("the victim's heartbeat is %q instead of %q", got, s.beat)
	}
	var beats struct {
		Config map[string]any
		State  struct{ Subjects map[string]int }
	}
	heartbeats, err := s.root.try("$JS.API.STREAM.INFO."+keys.Hosts, map[string]any{"subjects_filter": ">"})
	s.must(err)
	s.must(json.Unmarshal(heartbeats, &beats))
	for _, subject := range slices.Sorted(maps.Keys(beats.State.Subjects)) {
		if name, ok := beat.ParseSubject(subject); !ok || name != victimName && !strings.HasPrefix(string(name), "acme_") {
			add("the stream of heartbeats has %s", subject)
		}
	}
	if beats.Config["max_msgs_per_subject"] != 1. || beats.Config["max_msgs"] != -1. {
		add("the stream of heartbeats is another one: %v", beats.Config)
	}
	for key, want := range map[string]any{"max_msgs": -1., "max_msgs_per_subject": 1., "sealed": false, "max_age": 0.} {
		if got := stream.Config[key]; got != want {
			add("the stream's %s is %v", key, got)
		}
	}
	var consumers, readers struct{ Consumers []string }
	s.root.ask("$JS.API.CONSUMER.NAMES."+keys.Hosts, nil, &readers)
	if len(readers.Consumers) > 0 {
		add("somebody reads heartbeats: %q", readers.Consumers)
	}
	s.root.ask("$JS.API.CONSUMER.NAMES."+keys.Stream, nil, &consumers)
	for _, name := range consumers.Consumers {
		if !slices.Contains(s.known, name) {
			add("there is a consumer %q", name)
		}
	}
	var names struct{ Streams []string }
	s.root.ask("$JS.API.STREAM.NAMES", nil, &names)
	if slices.Sort(names.Streams); !slices.Equal(names.Streams, []string{keys.Stream, keys.Hosts, keys.Lists}) {
		add("streams %v", names.Streams)
	}
	return append(found, s.harmOfLists()...)
}

// harmOfLists is harm in the stream of lists.
func (s *site) harmOfLists() (found []string) {
	s.t.Helper()
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	var stream struct {
		Config map[string]any
		State  struct {
			Subjects  map[string]int
			Consumers int `json:"consumer_count"`
		}
	}
	text, err := s.root.try("$JS.API.STREAM.INFO."+keys.Lists, map[string]any{"subjects_filter": ">"})
	s.must(err)
	s.must(json.Unmarshal(text, &stream))
	if stream.Config == nil {
		return []string{"there is no stream of lists"}
	}
	for subject := range stream.State.Subjects {
		if _, ours := s.expected[subject]; !ours && !strings.HasSuffix(subject, otherKey) {
			add("the stream of lists has %s", subject)
		}
	}
	if stream.State.Consumers > 0 {
		add("the stream of lists has %d consumers", stream.State.Consumers)
	}
	for key, want := range map[string]any{"max_msgs": float64(keys.ListMessages), "max_msgs_per_subject": 1., "sealed": false, "max_age": 0.} {
		if got := stream.Config[key]; got != want {
			add("the %s of the stream of lists is %v", key, got)
		}
	}
	// Hosts read the list: as it is, and by the same request as ever.
	m, err := s.victim.Request(keys.APIPrefix+".DIRECT.GET."+keys.Lists+"."+fleet.CopySubject(listKey), nil, answerLimit)
	s.must(err)
	if want := s.expected[fleet.CopySubject(listKey)]; string(m.Data) != want {
		add("a host reads %q instead of %q", m.Data, want)
	}
	return found
}

// mirror gives a mirror to the attacker, who has otherKey's list to play with.
func (s *site) mirror() attacker {
	s.t.Helper()
	s.attacks++
	name := fmt.Sprintf("acme_hub%d", s.attacks)
	return s.listening(attacker{s.addMirror(fleet.Name(name)), s, name, keys.APIPrefix})
}
