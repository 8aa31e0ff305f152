package keys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testns"
)

// attack is what somebody does with a host's credential. What do returns is called after others have gone on:
// it says what the attacker has got from them.
type attack struct {
	name string
	do   func(a attacker) (got func() string)
}

// only is an attack that gets the attacker nothing but its effects.
func only(do func(a attacker)) func(attacker) func() string {
	return func(a attacker) func() string {
		do(a)
		return func() string { return "" }
	}
}

// targets are subjects at which a message that the server sends could do harm. victim is what the victim's consumer is called, as far as the attacker knows.
func targets(victim string) []string {
	return []string{
		fleet.Subject(victimName, 0), "v1.doc", beat.Subject(victimName), "$JS.API.STREAM.PURGE.HOSTS", "$JS.API.STREAM.DELETE.HOSTS",
		"$JS.API.STREAM.PURGE.FLEET", "$JS.API.STREAM.DELETE.FLEET", "$JS.API.STREAM.UPDATE.FLEET", "$JS.API.STREAM.CREATE.OTHER",
		"$JS.API.CONSUMER.DELETE.FLEET." + victim, "$JS.API.CONSUMER.CREATE.FLEET." + victim, "$JS.API.STREAM.MSG.DELETE.FLEET",
		"fleet.api.STREAM.INFO.FLEET", "fleet.api.STREAM.PURGE.FLEET", "fleet.api.CONSUMER.DELETE.FLEET." + victim, "fleet.api.CONSUMER.CREATE.FLEET." + victim,
		"fleet.api.CONSUMER.MSG.NEXT.FLEET." + victim, "$JS.API.CONSUMER.MSG.NEXT.FLEET." + victim,
		keys.Inbox(victimName) + ".other", keys.Inbox("keeper") + ".x",
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.CLAIMS.UPDATE",
		fleet.ListSubject(listKey), fleet.CopySubject(listKey), "$JS.API.STREAM.PURGE.LISTS", "$JS.API.STREAM.DELETE.LISTS", "$JS.API.STREAM.MSG.DELETE.LISTS",
		"$JS.API.DIRECT.GET.LISTS." + fleet.CopySubject(listKey), "fleet.api.DIRECT.GET.LISTS." + fleet.CopySubject(listKey),
	}
}

// bodies are contents that a request of JetStream could take: nothing, a purge of all, another form.
func bodies(a attacker) []string {
	return []string{"", "{}", `{"name":"FLEET","subjects":["v1.ban.*.0"],"max_msgs":1,"storage":"file","no_ack":true}`,
		fmt.Sprintf(`{"stream_name":"FLEET","config":{"name":%q,"ack_policy":"none","deliver_policy":"all","filter_subject":"none"}}`, a.victim.creds.Consumer())}
}

var attacks = []attack{
	{"another's slot", only(func(a attacker) { a.send(fleet.Subject(victimName, 0), "", `{"bans":[]}`) })},
	{"all others' slots at once", only(func(a attacker) { a.send("v1.ban.*.0", "", "{}"); a.send("v1.ban.>", "", "{}") })},
	{"no slot", only(func(a attacker) {
		for _, s := range []string{"", ".g", ".zz", ".0.0", ".00", ".10"} {
			a.send("v1.ban."+a.name+s, "", "{}")
		}
	})},
	{"a slot of another site", only(func(a attacker) {
		a.send("v1.ban.zeta_"+strings.TrimPrefix(a.name, "acme_")+".0", "", "{}")
		a.send("v1.ban.zeta.0", "", "{}")
	})},
	{"the operator's document", only(func(a attacker) { a.send("v1.doc", "", "{}") })},
	{"another's heartbeat", only(func(a attacker) {
		for _, s := range []string{beat.Subject(victimName), beat.Subjects, "v1.host.>", "v1.host", beat.Subject(fleet.Name(a.name)) + ".0"} {
			a.send(s, "", `{"version":"the attacker's","protected":false}`)
		}
	})},
	{"an answer to a heartbeat", only(func(a attacker) {
		for _, body := range bodies(a) {
			for _, to := range targets(a.victim.creds.Consumer()) {
				a.send(beat.Subject(fleet.Name(a.name)), to, body)
			}
		}
	})},
	{"headers of a heartbeat", only(func(a attacker) {
		for _, h := range [][]string{{"Nats-Rollup", "all"}, {"KV-Operation", "PURGE"}, {"Nats-Expected-Stream", "HOSTS"}, {"Nats-Stream-Source", "HOSTS 1 > >"}} {
			a.send(beat.Subject(fleet.Name(a.name)), "", "{}", h...)
		}
	})},
	{"a long heartbeat", func(a attacker) func() string {
		a.send(beat.Subject(fleet.Name(a.name)), "", strings.Repeat("x", fleet.MaxMessage))
		return func() string {
			if n := len(a.lastOf(keys.Hosts, beat.Subject(fleet.Name(a.name)))); n > 0 {
				return fmt.Sprintf("a heartbeat of %d bytes is stored", n)
			}
			return ""
		}
	}},
	{"others' heartbeats", func(a attacker) func() string {
		inbox := keys.Inbox(a.creds.Name) + ".beats"
		sub, err := a.SubscribeSync(inbox)
		a.must(err)
		name := a.creds.Consumer()
		form := consumerForm(name, nil)
		form["stream_name"] = keys.Hosts
		for _, api := range []string{a.api, "$JS.API", keys.APIPrefix} {
			a.send(api+".STREAM.INFO.HOSTS", inbox, "")
			a.send(api+".STREAM.INFO.HOSTS", inbox, `{"subjects_filter":">"}`)
			a.send(api+".STREAM.MSG.GET.HOSTS", inbox, `{"last_by_subj":"`+beat.Subject(victimName)+`"}`)
			a.send(api+".DIRECT.GET.HOSTS."+beat.Subject(victimName), inbox, "")
			for _, way := range []string{"CONSUMER.CREATE.HOSTS." + name, "CONSUMER.CREATE.FLEET." + name} {
				text, err := json.Marshal(form)
				a.must(err)
				a.send(api+"."+way, inbox, string(text))
			}
			a.send(api+".CONSUMER.MSG.NEXT.HOSTS."+name, inbox, `{"batch":10,"no_wait":true}`)
			a.send(api+".CONSUMER.DELETE.HOSTS."+name, inbox, "")
		}
		return func() string {
			// JetStream answers one after the other, beside what it reads: this request comes behind all others.
			_, err := a.user.try(a.api+".STREAM.INFO."+keys.Stream, nil)
			a.must(err)
			for {
				m, err := sub.NextMsg(time.Second)
				if errors.Is(err, nats.ErrNoResponders) { // the answer to one of them
					continue
				}
				if err != nil {
					return ""
				}
				if text := string(m.Data); strings.Contains(text, "the victim's") || strings.Contains(text, beat.Subjects) {
					return "a host is told " + text
				}
			}
		}
	}},
	{"purge", only(func(a attacker) { a.request("STREAM.PURGE.FLEET", nil, a.inbox()) })},
	{"delete the stream", only(func(a attacker) { a.request("STREAM.DELETE.FLEET", nil, a.inbox()) })},
	{"change the stream", only(func(a attacker) {
		form := streamForm()
		form["max_msgs"] = 1
		a.request("STREAM.UPDATE.FLEET", form, a.inbox())
	})},
	{"another stream", only(func(a attacker) {
		a.request("STREAM.CREATE.OTHER", map[string]any{"name": "OTHER", "subjects": []string{"other"}, "storage": "memory"}, a.inbox())
		a.request("STREAM.CREATE.OTHER", map[string]any{"name": "OTHER", "subjects": []string{"other"}, "storage": "file"}, a.inbox())
	})},
	{"delete a message", only(func(a attacker) {
		for seq := range 20 {
			a.request("STREAM.MSG.DELETE.FLEET", map[string]any{"seq": seq}, a.inbox())
		}
	})},
	{"end another's consumer", only(func(a attacker) { a.request("CONSUMER.DELETE.FLEET."+a.victim.creds.Consumer(), nil, a.inbox()) })},
	{"another's consumer, made anew", only(func(a attacker) {
		name := a.victim.creds.Consumer()
		a.request("CONSUMER.DELETE.FLEET."+name, nil, a.inbox())
		a.request("CONSUMER.CREATE.FLEET."+name, consumerForm(name, map[string]any{"filter_subject": "none"}), a.inbox())
		a.request("CONSUMER.DURABLE.CREATE.FLEET."+name, consumerForm(name, map[string]any{"durable_name": name}), a.inbox())
		// By a request that names the attacker's own consumer, and has another in it.
		a.request("CONSUMER.CREATE.FLEET."+a.creds.Consumer(), consumerForm(name, map[string]any{"filter_subject": "none"}), a.inbox())
		a.request("CONSUMER.CREATE.FLEET."+a.creds.Consumer(), consumerForm(a.creds.Consumer(), map[string]any{"durable_name": name, "deliver_subject": "x"}), a.inbox())
	})},
	{"another's messages", only(func(a attacker) {
		// The victim's next message would go to the attacker.
		a.request("CONSUMER.MSG.NEXT.FLEET."+a.victim.creds.Consumer(), map[string]any{"batch": 1, "expires": int64(answerLimit)}, a.inbox())
	})},
	{"headers", only(func(a attacker) {
		for _, h := range [][]string{
			{"Nats-Rollup", "all"}, {"Nats-Rollup", "sub"}, {"KV-Operation", "PURGE"}, {"Nats-Msg-Id", "1"},
			{"Nats-Expected-Stream", "FLEET"}, {"Nats-Expected-Last-Sequence", "3"}, {"Nats-TTL", "1s"},
			{"Nats-Request-Info", `{"acc":"` + a.root.account() + `","svc":"` + a.root.account() + `"}`},
			{"Nats-Stream-Source", "FLEET 1 > >"}, {"Nats-Marker-Reason", "Purge"},
		} {
			a.send(a.own(1), "", "{}", h...)
			a.request("STREAM.PURGE.FLEET", nil, a.inbox(), h...)
			a.request("STREAM.INFO.FLEET", nil, a.inbox(), h...)
		}
	})},
	{"an answer to a slot", only(func(a attacker) {
		for _, body := range bodies(a) {
			for _, to := range targets(a.victim.creds.Consumer()) {
				a.send(a.own(2), to, body)
			}
		}
	})},
	{"an answer of the API", only(func(a attacker) {
		name := a.creds.Consumer()
		for _, to := range targets(a.victim.creds.Consumer()) {
			a.request("STREAM.INFO.FLEET", nil, to)
			a.request("CONSUMER.CREATE.FLEET."+name, consumerForm(name, nil), to)
			a.request("CONSUMER.DELETE.FLEET."+name, nil, to)
		}
	})},
	{"own messages as an answer", only(func(a attacker) {
		for i, body := range bodies(a) {
			for j, to := range targets(a.victim.creds.Consumer()) {
				a.send(a.own(3), "", body, "X", fmt.Sprint(i, j), "Nats-Request-Info", `{"acc":"`+a.root.account()+`","svc":"`+a.root.account()+`"}`)
				a.done()
				a.request("CONSUMER.DELETE.FLEET."+a.creds.Consumer(), nil, a.inbox())
				if a.consumer(map[string]any{"deliver_policy": "last"}) {
					a.request("CONSUMER.MSG.NEXT.FLEET."+a.creds.Consumer(), map[string]any{"batch": 10, "no_wait": true}, to)
					a.done()
					a.delivered()
				}
			}
		}
	})},
	// This one would get the victim's messages if its consumer's name were known.
	{"a consumer that sends by itself", only(func(a attacker) {
		for i, body := range bodies(a) {
			for j, to := range targets(victimName) {
				a.send(a.own(4), "", body, "X", fmt.Sprint(i, j), "Nats-Request-Info", `{"acc":"`+a.root.account()+`","svc":"`+a.root.account()+`"}`)
				a.done()
				a.request("CONSUMER.DELETE.FLEET."+a.creds.Consumer(), nil, a.inbox())
				if a.consumer(map[string]any{"deliver_subject": to, "deliver_policy": "last"}) {
					a.delivered()
				}
			}
		}
	})},
	{"too long", func(a attacker) func() string {
		a.send(a.own(5), "", strings.Repeat("x", fleet.MaxMessage+1))
		return func() string {
			if n := len(a.last(a.own(5))); n > 0 {
				return fmt.Sprintf("a message of %d bytes is stored", n)
			}
			return ""
		}
	}},
	{"many consumers", only(func(a attacker) {
		for i := range 100 {
			name := fmt.Sprint("other", i)
			a.request("CONSUMER.CREATE.FLEET."+name, consumerForm(name, nil), a.inbox())
			a.request("CONSUMER.CREATE.FLEET."+a.creds.Consumer(), consumerForm(name, nil), a.inbox())
			a.request("CONSUMER.CREATE.FLEET."+a.creds.Consumer(), consumerForm("", map[string]any{"durable_name": name}), a.inbox())
			a.request("CONSUMER.CREATE.FLEET", consumerForm("", nil), a.inbox())
			a.request("CONSUMER.DURABLE.CREATE.FLEET."+name, consumerForm("", map[string]any{"durable_name": name}), a.inbox())
		}
	})},
	{"all of one's slots, again and again", only(func(a attacker) {
		for i := range 2000 {
			a.send(a.own(i%fleet.Slots), "", strings.Repeat("x", fleet.MaxMessage))
		}
	})},
	{"a list", only(func(a attacker) {
		for _, s := range []string{fleet.ListSubject(listKey), fleet.CopySubject(listKey), fleet.ListSubject(otherKey), "v1.list.*", "v1.copy.>", "v1.copy." + listKey + ".x", "v1.list"} {
			a.send(s, "", "{}")
			a.send(s, a.inbox(), "{}", "Nats-Rollup", "all")
		}
	})},
	{"the stream of lists", only(func(a attacker) {
		form := listForm()
		form["max_msgs"] = 1
		a.request("STREAM.UPDATE.LISTS", form, a.inbox())
		a.request("STREAM.PURGE.LISTS", nil, a.inbox())
		a.request("STREAM.MSG.DELETE.LISTS", map[string]any{"seq": 1}, a.inbox())
		a.request("CONSUMER.CREATE.LISTS."+a.creds.Consumer(), map[string]any{"stream_name": "LISTS", "config": map[string]any{"name": a.creds.Consumer(), "ack_policy": "none", "deliver_policy": "all"}}, a.inbox())
		// By a request that names the stream of bans, and has another in it.
		a.request("CONSUMER.CREATE.FLEET."+a.creds.Consumer(), map[string]any{"stream_name": "LISTS", "config": map[string]any{"name": a.creds.Consumer(), "ack_policy": "none", "deliver_policy": "all"}}, a.inbox())
		a.request("STREAM.DELETE.LISTS", nil, a.inbox())
	})},
	{"a list as an answer", only(func(a attacker) {
		for _, to := range targets(a.victim.creds.Consumer()) {
			a.request("DIRECT.GET.LISTS."+fleet.CopySubject(listKey), nil, to)
			a.request("DIRECT.GET.LISTS."+fleet.ListSubject("*"), nil, to)
		}
	})},
	{"bans by the way of lists", func(a attacker) func() string {
		got := make(chan *nats.Msg, 100)
		sub, err := a.ChanSubscribe(keys.Inbox(a.creds.Name)+".direct", got)
		a.must(err)
		for _, what := range []string{"DIRECT.GET.FLEET." + fleet.Subject(victimName, 0), "DIRECT.GET.FLEET", "DIRECT.GET.LISTS", "STREAM.MSG.GET.FLEET", "STREAM.MSG.GET.LISTS"} {
			a.request(what, map[string]any{"last_by_subj": fleet.Subject(victimName, 0)}, sub.Subject)
		}
		a.done()
		return func() string {
			defer func() { _ = sub.Unsubscribe() }()
			if len(got) == 0 {
				return ""
			}
			return fmt.Sprintf("%q", (<-got).Data)
		}
	}},
	{"which lists there are", func(a attacker) func() string {
		inbox := keys.Inbox(a.creds.Name) + ".lists"
		sub, err := a.SubscribeSync(inbox)
		a.must(err)
		for _, api := range []string{a.api, "$JS.API", keys.APIPrefix} {
			a.send(api+".STREAM.INFO.LISTS", inbox, `{"subjects_filter":">"}`)
			a.send(api+".STREAM.INFO.FLEET", inbox, `{"name":"LISTS","subjects_filter":"v1.copy.*"}`)
		}
		return func() string {
			// JetStream answers one after the other: this request comes behind all others.
			_, err := a.user.try(a.api+".STREAM.INFO."+keys.Stream, nil)
			a.must(err)
			for {
				m, err := sub.NextMsg(time.Second)
				if errors.Is(err, nats.ErrNoResponders) {
					continue
				}
				if err != nil {
					return ""
				}
				if strings.Contains(string(m.Data), listKey) {
					return "a host is told of " + string(m.Data)
				}
			}
		}
	}},
	{"a mirror, beyond its lists", only(func(host attacker) {
		a := host.mirror()
		a.send(fleet.Subject(victimName, 0), "", "{}")
		a.send("v1.doc", "", "{}")
		for _, subject := range []string{fleet.ListSubject(otherKey), fleet.CopySubject(otherKey)} {
			for _, body := range bodies(a) {
				for _, to := range targets(a.victim.creds.Consumer()) {
					a.send(subject, to, body)
					a.send(subject, to, body, "Nats-Rollup", "all")
					a.request("DIRECT.GET.LISTS."+subject, nil, to)
				}
			}
		}
		for _, to := range targets(a.victim.creds.Consumer()) {
			a.request("STREAM.INFO.LISTS", nil, to)
			a.request("STREAM.INFO.LISTS", map[string]any{"subjects_filter": ">", "deleted_details": true}, to)
			a.request("STREAM.INFO.LISTS", listForm(), to)
		}
		for _, other := range []string{keys.Hosts, "OTHER", "*", ">", "LISTS.x"} {
			a.request("STREAM.INFO."+other, map[string]any{"subjects_filter": ">"}, a.inbox())
		}
		a.request("STREAM.PURGE.LISTS", nil, a.inbox())
		a.done()
		a.send(a.own(5), "", strings.Repeat("x", link.MaxCopy-1000)) // below its own limit, and too long for the stream of bans
		a.send(fleet.CopySubject(otherKey), "", strings.Repeat("x", link.MaxCopy+1))
		a.done()
		a.user.Conn.Close()
	})},
	{"the server itself", only(func(a attacker) {
		for _, s := range []string{"$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.USER.INFO", "$SYS.DEBUG.SUBSCRIBERS", "$SYS._INBOX.x", "$SYS.ACCOUNT.x.SERVER.CONNS"} {
			a.send(s, a.inbox(), "{}")
		}
	})},
	{"listen to others", func(a attacker) func() string {
		heard := make(chan *nats.Msg, 1000)
		for _, subject := range []string{
			">", "*.>", "v1.>", "v1.ban.>", "v1.ban." + victimName + ".0", beat.Subjects, beat.Subject(victimName), "_INBOX.>", "_INBOX.*.>", keys.Inbox(victimName) + ".>", keys.Inbox(victimName) + ".pull",
			keys.Inbox("admin") + ".>", "_R_.>", "$JS.>", "$JS.API.>", "fleet.>", "fleet.api.CONSUMER.MSG.NEXT.>", "$SYS.>", "$JSC.>", "$JS.EVENT.>",
		} {
			if _, err := a.ChanSubscribe(subject, heard); err != nil {
				return func() string { return err.Error() }
			}
			if _, err := a.ChanQueueSubscribe(subject, "q", heard); err != nil {
				return func() string { return err.Error() }
			}
		}
		return func() string {
			a.done()
			if len(heard) == 0 {
				return ""
			}
			return fmt.Sprintf("%d messages are heard, such as of %s", len(heard), (<-heard).Subject)
		}
	}},
	{"an answer in another's name", only(func(a attacker) { a.send(keys.Inbox(victimName)+".pull", "", "{}") })},
	{"many subscriptions", func(a attacker) func() string {
		for i := range 100 {
			_, err := a.Subscribe(fmt.Sprintf("%s.%d", a.inbox(), i), func(*nats.Msg) {})
			if err != nil {
				return func() string { return err.Error() }
			}
		}
		a.done()
		return func() string {
			for {
				select {
				case err := <-a.user.refused:
					if strings.Contains(err.Error(), "maximum subscriptions exceeded") {
						return ""
					}
				default:
					return "100 subscriptions are taken"
				}
			}
		}
	}},
	{"many connections", only(func(a attacker) {
		for range 100 {
			if u, err := a.tryLogin(a.creds); err == nil {
				_ = u.Publish(a.own(0), []byte("{}"))
			}
		}
	})},
}

// inbox is where the attacker gets answers.
func (a attacker) inbox() string { return keys.Inbox(a.creds.Name) + ".answer" }

// account is the account of a user.
func (u *user) account() string { return u.creds.Name }

// TestRights: whatever somebody does who has the credential of a host, the stream and all others have
// what they had.
func TestRights(t *testing.T) { testRights(t, testnats.Installed(t)) }

func testRights(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	s := newSite(t, program, nil)
	if found := s.harm(); len(found) > 0 {
		t.Fatalf("without any attack: %s", strings.Join(found, "; "))
	}
	for _, row := range attacks {
		a := s.attack()
		got := row.do(a)
		a.done()
		found := s.harm()
		if text := got(); text != "" {
			found = append(found, text)
		}
		if len(found) > 0 {
			t.Fatalf("%s: %s", row.name, strings.Join(found, "; "))
		}
		a.Conn.Close()
	}
}

// TestLooserRights: the attacks are real ones. Each of these does harm where one of the rules that
// stop it is not kept.
func TestLooserRights(t *testing.T) { testLooserRights(t, testnats.Installed(t)) }

func testLooserRights(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	erasable := map[string]any{"deny_delete": false, "deny_purge": false}
	acknowledging := map[string]any{"deny_delete": false, "deny_purge": false, "no_ack": false}
	host := func(s *site) attacker { return s.attack() }
	anyHost := func(s *site) attacker { return s.loosened(s.op.Members.Key, keys.APIPrefix) }
	keeper := func(s *site) attacker { return s.loosened(s.op.Streams.Key, "$JS.API") }
	for _, c := range []struct {
		attack string
		form   map[string]any
		as     func(s *site) attacker
	}{
		{"another's slot", nil, anyHost},
		{"another's slot", nil, keeper},
		{"another's heartbeat", nil, anyHost},
		{"another's heartbeat", nil, keeper},
		{"an answer to a heartbeat", acknowledging, host},
		{"a long heartbeat", map[string]any{"max_msg_size": -1}, host},
		{"others' heartbeats", nil, keeper},
		{"the operator's document", nil, keeper},
		{"purge", erasable, keeper},
		{"delete the stream", nil, keeper},
		{"change the stream", nil, keeper},
		{"delete a message", erasable, keeper},
		{"end another's consumer", nil, anyHost},
		{"end another's consumer", nil, keeper},
		{"another's consumer, made anew", nil, anyHost},
		{"another's messages", nil, anyHost},
		{"an answer to a slot", acknowledging, host},
		{"a mirror, beyond its lists", acknowledging, host},
		{"a list", nil, anyHost},
		{"the stream of lists", nil, keeper},
		{"which lists there are", nil, anyHost},
		{"bans by the way of lists", nil, keeper},
		{"listen to others", nil, anyHost},
		{"an answer in another's name", nil, anyHost},
		{"many subscriptions", nil, anyHost},
		{"many consumers", nil, anyHost},
		{"many consumers", nil, keeper},
		{"too long", nil, anyHost},
	} {
		s := newSite(t, program, c.form)
		a := c.as(s)
		i := slices.IndexFunc(attacks, func(row attack) bool { return row.name == c.attack })
		if i < 0 {
			t.Fatalf("no attack %q", c.attack)
		}
		got := attacks[i].do(a)
		a.done()
		if found := s.harm(); len(found) == 0 && got() == "" {
			t.Errorf("%s: no harm without the rule that stops it", c.attack)
		}
		s.Kill()
	}
}
