package keys_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// relaySite is a site with two relays, of which the attacker has the credential of one.
type relaySite struct {
	*site
	other *testnats.Leaf // the other relay
	login func(name, begins string) *testnats.Leaf
	said  int
}

// loop is the subject by which the other relay's server finds out that it is connected with itself.
const loop = "$LDS.other"

// newRelaySite starts one. account has the seed of the account that the attacker's credential is signed by: the
// relay's own, or another one, such as before relays had accounts.
func newRelaySite(t *testing.T, program testnats.Program, mirror bool, account func(*keys.Operator, keys.Relay) string) *relaySite {
	t.Helper()
	var mine, others keys.Relay
	s := newSite(t, program, nil, func(o *keys.Operator) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		o.RelayPort = l.Addr().(*net.TCPAddr).Port
		add := o.Add
		if mirror {
			add = o.AddMirror
		}
		if _, err := add("acme_pbx1", time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Add("beta_pbx1", time.Now()); err != nil {
			t.Fatal(err)
		}
		if mine, err = o.SetRelay("acme", []string{"127.0.0.1"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if others, err = o.SetRelay("beta", []string{"127.0.0.1"}, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	for _, h := range s.op.Hosts {
		s.known = append(s.known, h.Key)
	}
	dial := func(r keys.Relay, name, begins string) *testnats.Leaf {
		t.Helper()
		claims, err := jwt.DecodeUserClaims(r.Signed)
		s.must(err)
		by, err := nkeys.FromSeed([]byte(account(s.op, r)))
		s.must(err)
		token, err := claims.Encode(by)
		s.must(err)
		l, err := testnats.DialLeaf(t, fmt.Sprintf("127.0.0.1:%d", s.op.RelayPort), s.op.TLS.Authority, token, r.Seed, name, begins)
		s.must(err)
		return l
	}
	if account(s.op, mine) == s.op.Members.Key {
		s.Reload(testnats.Leafs(t, s.config(s.Place), s.op.Members.Signed, s.op.Key))
	}
	rs := &relaySite{site: s, other: dial(others, "relay-beta", "")}
	rs.other.Subscribe(loop)
	s.must(rs.other.Sync())
	var before *testnats.Leaf // a relay may have a few connections only
	rs.login = func(name, begins string) *testnats.Leaf {
		t.Helper()
		if before != nil {
			before.Close()
		}
		before = dial(mine, name, begins)
		return before
	}
	return rs
}

// ask makes a request as a relay, and waits for the answer; "" if the connection has ended, or there is none.
func ask(l *testnats.Leaf, subject, text string) (answer string) {
	inbox := fmt.Sprintf("%s.x%d", keys.Inbox("acme_pbx1"), time.Now().UnixNano())
	l.Subscribe(inbox)
	l.Publish(subject, inbox, text)
	testpoll.Until(answerLimit, func() bool {
		for _, m := range l.Heard() {
			if m.Subject == inbox {
				answer = m.Text
			}
		}
		return answer != "" || l.Sync() != nil
	})
	return answer
}

// harm is what the site has suffered.
func (s *relaySite) harm(l *testnats.Leaf) (found []string) {
	s.t.Helper()
	ask(l, keys.APIPrefix+".STREAM.INFO."+keys.Stream, "") // comes behind all others
	found = s.site.harm()
	s.said++
	text := fmt.Sprint("the other relay's ", s.said)
	subject := fleet.Subject("beta_pbx1", 0)
	s.other.Publish(subject, "", text)
	if s.other.Sync() != nil {
		return append(found, "the other relay is cut off")
	}
	for _, sub := range s.other.Subscribed() {
		if sub == loop {
			found = append(found, "the other relay's server finds a loop")
		}
	}
	s.expected[subject] = text
	if !testpoll.Until(answerLimit, func() bool { return s.last(subject) == text }) {
		found = append(found, "the other relay's host is not heard")
	}
	return found
}

// relayAttack is what somebody does with the credential of a relay.
type relayAttack struct {
	name string
	do   func(s *relaySite, l *testnats.Leaf) (got string)
}

// reader is a request for a consumer.
type reader struct{ request, form string }

// readers are all ways to ask for a consumer of some name, or for one more than a host may have.
func readers(s *relaySite, name string) []reader {
	own, _ := s.op.Active("acme_pbx1")
	mine := "CONSUMER.CREATE." + keys.Stream + "." + own.Key
	durable := map[string]any{"durable_name": name}
	return []reader{
		{"CONSUMER.CREATE." + keys.Stream + "." + name, jsonOf(consumerForm(name, nil))},
		{"CONSUMER.CREATE." + keys.Stream + "." + name + ".v1.ban.>", jsonOf(consumerForm(name, map[string]any{"filter_subject": "v1.ban.>"}))},
		{mine + ".v1.ban.>", jsonOf(consumerForm(name, map[string]any{"filter_subject": "v1.ban.>"}))},
		{mine, jsonOf(consumerForm(name, nil))},
		{mine, jsonOf(consumerForm("", durable))},
		{mine, jsonOf(consumerForm(own.Key, durable))},
		{"CONSUMER.CREATE." + keys.Stream, jsonOf(consumerForm("", nil))},
		{"CONSUMER.CREATE." + keys.Stream + ".*", jsonOf(consumerForm("*", nil))},
		{"CONSUMER.DURABLE.CREATE." + keys.Stream + "." + name, jsonOf(consumerForm("", durable))},
		{"CONSUMER.DURABLE.CREATE." + keys.Stream + "." + own.Key, jsonOf(consumerForm(own.Key, durable))},
	}
}

func jsonOf(form map[string]any) string {
	text, _ := json.Marshal(form) // of strings and numbers: cannot fail
	return string(text)
}

// relayHarm are attacks that do harm where a relay is in the account of the hosts.
var relayHarm = []relayAttack{
	{"a ban of another site", func(_ *relaySite, l *testnats.Leaf) string {
		l.Publish(fleet.Subject(victimName, 0), "", "{}")
		return ""
	}},
	{"a ban of an invented host", func(_ *relaySite, l *testnats.Leaf) string {
		l.Publish(fleet.Subject("gamma_pbx1", 0), "", "{}")
		return ""
	}},
	{"a ban, in one packet with the credential", func(s *relaySite, _ *testnats.Leaf) string {
		s.must(s.login("one", testnats.LeafText(fleet.Subject(victimName, 1), "", "{}")).Sync())
		return ""
	}},
	{"as other kinds of servers and clients send it", func(s *relaySite, _ *testnats.Leaf) string {
		for _, line := range []string{"PUB %s 2", "RMSG $G %s 2", "HMSG %s 2 2", "LMSG %s + x q 2"} {
			_ = s.login("one", fmt.Sprintf(line+"\r\n{}\r\n", fleet.Subject(victimName, 2))).Sync()
		}
		return ""
	}},
	{"another's heartbeat", func(_ *relaySite, l *testnats.Leaf) string {
		l.Publish(beat.Subject(victimName), "", "{}")
		return ""
	}},
	{"the word of a mirror", func(_ *relaySite, l *testnats.Leaf) string {
		l.Publish(fleet.ListSubject(listKey), "", "{}")
		return ""
	}},
	{"a list", func(_ *relaySite, l *testnats.Leaf) string {
		l.Publish(fleet.CopySubject(listKey), "", "{}")
		return ""
	}},
	{"others' keys, and the end of their consumers", func(s *relaySite, l *testnats.Leaf) string {
		var connz struct {
			Data struct {
				Connections []struct {
					User string `json:"authorized_user"`
				}
			}
		}
		var told []string
		for _, subject := range []string{"$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"} {
			if text := ask(l, subject, `{"auth":true}`); text != "" {
				_ = json.Unmarshal([]byte(text), &connz)
			}
			for _, c := range connz.Data.Connections {
				ask(l, keys.APIPrefix+".CONSUMER.DELETE."+keys.Stream+"."+c.User, "")
				if c.User == s.victim.creds.Consumer() {
					told = append(told, c.User)
				}
			}
		}
		return strings.Join(told, " ")
	}},
	{"a loop of another relay", func(_ *relaySite, l *testnats.Leaf) string {
		for _, sub := range append(l.Subscribed(), loop) {
			if strings.HasPrefix(sub, loop) {
				l.Subscribe(sub)
			}
		}
		return ""
	}},
	{"many readers", func(s *relaySite, l *testnats.Leaf) string {
		for i := range 100 {
			for _, api := range []string{keys.APIPrefix, "$JS.API"} {
				for _, r := range readers(s, fmt.Sprint("other", i)) {
					l.Publish(api+"."+r.request, keys.Inbox("acme_pbx1")+".y", r.form)
				}
			}
		}
		return ""
	}},
	{"the name of another relay", func(s *relaySite, _ *testnats.Leaf) string {
		s.must(s.login("relay-beta", "").Sync())
		return ""
	}},
}

// relayOther are attacks that do no harm there either.
var relayOther = []relayAttack{
	{"all at once", func(_ *relaySite, l *testnats.Leaf) string {
		for _, subject := range []string{"v1.ban.*.0", "v1.ban.acme_pbx1.*", "v1.ban.>", "v1.host.*", "v1.doc", ">"} {
			l.Publish(subject, "", "{}")
		}
		return ""
	}},
	{"the streams", func(s *relaySite, l *testnats.Leaf) string {
		guess := strings.Repeat("U", len(s.victim.creds.Consumer()))
		for _, api := range []string{keys.APIPrefix, "$JS.API"} {
			for _, request := range []string{
				"STREAM.PURGE.FLEET", "STREAM.DELETE.FLEET", "STREAM.UPDATE.FLEET", "STREAM.MSG.DELETE.FLEET", "STREAM.PURGE.LISTS", "STREAM.PURGE.HOSTS",
				"CONSUMER.DELETE.FLEET." + guess, "CONSUMER.MSG.NEXT.FLEET." + guess, "CONSUMER.DELETE.FLEET.*", "CONSUMER.DELETE.FLEET.>", "CONSUMER.MSG.NEXT.FLEET.*",
			} {
				l.Publish(api+"."+request, keys.Inbox("acme_pbx1")+".y", `{"max_msgs":1}`)
			}
		}
		return ""
	}},
	{"who else reads", func(s *relaySite, l *testnats.Leaf) string {
		for _, api := range []string{keys.APIPrefix, "$JS.API"} {
			for _, request := range []string{"CONSUMER.NAMES.FLEET", "CONSUMER.LIST.FLEET", "STREAM.LIST", "STREAM.NAMES", "INFO", "STREAM.MSG.GET.HOSTS", "CONSUMER.INFO.FLEET.*"} {
				l.Publish(api+"."+request, keys.Inbox("acme_pbx1")+".y", "")
			}
		}
		told := ask(l, keys.APIPrefix+".STREAM.INFO."+keys.Stream, `{"subjects_filter":">","deleted_details":true}`)
		for _, m := range l.Heard() {
			told += m.Text
		}
		if strings.Contains(told, s.victim.creds.Consumer()) {
			return "it is told of another's consumer"
		}
		return ""
	}},
	{"answers", func(s *relaySite, l *testnats.Leaf) string {
		for _, to := range targets(s.victim.creds.Consumer()) {
			if strings.ContainsAny(to, "*>") {
				continue // ends the server of Debian 12: TestServerEnded
			}
			l.Publish(keys.APIPrefix+".STREAM.INFO."+keys.Stream, to, "")
			l.Publish(fleet.Subject("acme_pbx1", 3), to, "{}")
			l.Publish(keys.APIPrefix+".DIRECT.GET.LISTS."+fleet.CopySubject(listKey), to, "")
		}
		return ""
	}},
	{"readers by answers", func(s *relaySite, l *testnats.Leaf) string {
		// Its own host's reader sends what the host has said as a request for another reader.
		own, _ := s.op.Active("acme_pbx1")
		api := keys.APIPrefix + ".CONSUMER."
		other := readers(s, "other")[0]
		l.Publish(fleet.Subject("acme_pbx1", 4), "", other.form)
		for _, to := range []string{keys.APIPrefix + "." + other.request, "$JS.API." + other.request} {
			for _, push := range []map[string]any{{"deliver_policy": "last"}, {"deliver_policy": "last", "deliver_subject": to}} {
				ask(l, api+"DELETE."+keys.Stream+"."+own.Key, "")
				ask(l, api+"CREATE."+keys.Stream+"."+own.Key, jsonOf(consumerForm(own.Key, push)))
				l.Publish(api+"MSG.NEXT."+keys.Stream+"."+own.Key, to, `{"batch":1,"no_wait":true}`)
			}
		}
		return ""
	}},
	{"listen to all", func(s *relaySite, l *testnats.Leaf) string {
		before := len(l.Heard())
		for _, subject := range []string{">", "v1.>", "*.>", "_INBOX.>", "fleet.>", "$JS.>", "$SYS.>", "_R_.>"} {
			l.Subscribe(subject)
			_ = l.Send("LS+ %s q 1\r\n", subject)
		}
		s.must(l.Sync())
		s.site.harm()
		s.must(l.Sync())
		for _, m := range l.Heard()[before:] {
			if !strings.HasPrefix(m.Subject, keys.Inbox("acme_pbx1")) {
				return "it hears " + m.Subject
			}
		}
		return ""
	}},
}

// ownAccount is the account of a relay.
func ownAccount(_ *keys.Operator, r keys.Relay) string { return r.Account.Key }

// TestRelayAttack: whoever has the credential of a relay, and holds itself to nothing, speaks for the hosts that it
// names, and does nothing to others, their consumers and other relays.
func TestRelayAttack(t *testing.T) { testRelayAttack(t, testnats.Installed(t)) }

func testRelayAttack(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	s := newRelaySite(t, program, false, ownAccount)
	for _, row := range append(relayHarm, relayOther...) {
		l := s.login("relay-acme", "")
		got := row.do(s, l)
		if found := s.harm(l); len(found) > 0 || got != "" {
			t.Fatalf("%s: %s; %s", row.name, strings.Join(found, "; "), got)
		}
	}
	// What it is for: its own host's bans and heartbeats.
	l := s.login("relay-acme", "")
	l.Publish(fleet.Subject("acme_pbx1", 0), "", "mine")
	l.Publish(beat.Subject("acme_pbx1"), "", "mine")
	if !testpoll.Until(answerLimit, func() bool {
		return s.last(fleet.Subject("acme_pbx1", 0)) == "mine" && s.lastOf(keys.Hosts, beat.Subject("acme_pbx1")) == "mine"
	}) {
		t.Error("a relay does not speak for its own host")
	}

	mirror := newRelaySite(t, program, true, ownAccount)
	l = mirror.login("relay-acme", "")
	for _, row := range relayHarm {
		if !strings.Contains(row.name, "mirror") && !strings.Contains(row.name, "list") {
			row.do(mirror, l)
		}
	}
	l = mirror.login("relay-acme", "") // some of them have used up the other one
	if found := mirror.harm(l); len(found) > 0 {
		t.Errorf("with a mirror: %s", strings.Join(found, "; "))
	}
	l.Publish(fleet.ListSubject(otherKey), "", "mine")
	if !testpoll.Until(answerLimit, func() bool { return mirror.last(fleet.ListSubject(otherKey)) == "mine" }) {
		t.Error("a relay does not speak for its own mirror")
	}
}

// TestRelayInHostsAccount: the attacks are real ones. Each does harm by the same credential, if it is one of the
// account that hosts are in.
func TestRelayInHostsAccount(t *testing.T) { testRelayInHostsAccount(t, testnats.Installed(t)) }

func testRelayInHostsAccount(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	for _, row := range relayHarm {
		s := newRelaySite(t, program, false, func(o *keys.Operator, _ keys.Relay) string { return o.Members.Key })
		l := s.login("relay-acme", "")
		got := row.do(s, l)
		if found := s.harm(l); len(found) == 0 && got == "" {
			t.Errorf("%s: no harm", row.name)
		} else {
			t.Logf("%s: %s; %s", row.name, strings.Join(found, "; "), got)
		}
		s.Kill()
	}
}

// TestStrangerAtRelayPort: who has no credential, or that of a host, is not admitted at the hub's port for relays.
func TestStrangerAtRelayPort(t *testing.T) { testStrangerAtRelayPort(t, testnats.Installed(t)) }

func testStrangerAtRelayPort(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	s := newRelaySite(t, program, false, ownAccount)
	address := fmt.Sprintf("127.0.0.1:%d", s.op.RelayPort)
	r, _ := s.op.RelayOf("acme")
	stranger := testnats.NewUser(t, "relay-acme", newOperator(t, time.Now(), "hub.example.net").Members.Key, nil)
	for name, c := range map[string]testnats.User{
		"a host":             {Token: s.victim.creds.Token, Seed: s.victim.creds.Seed},
		"a stranger":         stranger,
		"no credential":      {Seed: stranger.Seed},
		"with another's key": {Token: r.Signed, Seed: stranger.Seed},
	} {
		if _, err := testnats.DialLeaf(t, address, s.op.TLS.Authority, c.Token, c.Seed, "x", testnats.LeafText(fleet.Subject(victimName, 0), "", "{}")); err == nil {
			t.Errorf("%s is admitted", name)
		}
	}
	if found := s.site.harm(); len(found) > 0 {
		t.Error(found)
	}
}
