package friends_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testsip"
)

// way is a way to block addresses: a column of the table.
type way struct {
	name     string
	base     bool // needs base rules
	setsOnly bool // uses only sets, which are the same on all hosts
	ports    []port

	// block tries to block friends, and blocks a stranger. friends are those with a
	// cell.
	block func(l *lab, friends []person, stranger person)

	// passes and blocked check packets, if not by requests to ports.
	passes, blocked func(l *lab, p person, family int) bool

	// none are the friends without a cell, with the reason.
	none map[string]string
}

// Reasons for no cell.
const (
	notLetIn = "allow and a login keep voipbl from blocking, but open no port and lift no limit: " +
		"that is what local_networks and trunks are for"
	byOthers = "who fills fail2ban's sets himself bans by his own rules, and status and doctor tell; " +
		"above these rules stand only those of local_networks and trunks"
	trunksSpeakSIP = "a trunk is let in at the ports of SIP"
)

// onlyLetIn returns the friends without a cell because no rule lets them in.
func onlyLetIn(reason string, more ...string) map[string]string {
	none := map[string]string{allowed: reason, allowName: reason, byVerb: reason, session: reason}
	for _, name := range more {
		none[name] = trunksSpeakSIP
	}
	return none
}

var ways = []way{
	{name: "a list has the address", ports: []port{sipUDP, sipTCP, ssh}, block: func(l *lab, friends []person, stranger person) {
		l.list(append(friends, stranger), func(p person, f int) string { return p.addrs[f].String() })
	}},
	{name: "a list has the network", setsOnly: true, ports: []port{sipUDP, sipTCP, ssh}, block: func(l *lab, friends []person, stranger person) {
		l.list(append(friends, stranger), func(p person, f int) string { return p.networks()[f].String() })
	}},
	{name: "voipbl ban of the address", ports: []port{sipUDP, sipTCP, ssh}, block: func(l *lab, friends []person, stranger person) {
		l.ban(friends, stranger, func(p person, f int) string { return p.addrs[f].String() })
	}},
	{name: "voipbl ban of the network", setsOnly: true, ports: []port{sipUDP, sipTCP, ssh}, block: func(l *lab, friends []person, stranger person) {
		l.ban(friends, stranger, func(p person, f int) string { return p.networks()[f].String() })
	}},
	jail("voipbl-asterisk", setAction, "", wrongPassword, sipUDP, sipTCP),
	jail("voipbl-asterisk", banAction, "", wrongPassword, sipUDP, sipTCP, ssh),
	jail("voipbl-asterisk-unknown", setAction, "[set=fail2ban-UNKNOWN]", unknownUser, sipUDP, sipTCP),
	jail("voipbl-asterisk-unknown", banAction, "", unknownUser, sipUDP, sipTCP, ssh),
	jail("voipbl-ssh", sshAction, "", wrongLogin, ssh),
	jail("voipbl-ssh", banAction, "", wrongLogin, sipUDP, sipTCP, ssh),
	// Jails of others do not ask voipbl, so the action must.
	asksNobody(setAction, sipUDP, sipTCP),
	asksNobody(banAction, sipUDP, sipTCP, ssh),
	asksNobody(sshAction, ssh),
	neighboursBanned,
	asShipped("voipbl-asterisk", wrongPasswordLine, "ipset save | grep '^add fail2ban-' | grep -F", sipUDP, sipTCP),
	asShipped("voipbl-asterisk-unknown", unknownUserLine, "ipset save | grep '^add fail2ban-' | grep -F", sipUDP, sipTCP),
	asShipped("voipbl-freeswitch", freeswitchLine, "ipset save | grep '^add fail2ban-' | grep -F", sipUDP, sipTCP),
	asShipped("voipbl-ssh", wrongLogin, "ipset save | grep '^add f2bs-' | grep -F", ssh),
	{name: "another program's ban in fail2ban-ASTERISK", base: true, ports: []port{sipUDP, sipTCP}, none: onlyLetIn(byOthers),
		block: func(l *lab, friends []person, stranger person) {
			l.busy("voipbl-asterisk", setAction, wrongPassword)
			for _, p := range append(friends, stranger) {
				l.sh(fmt.Sprintf("ipset -exist add fail2ban-ASTERISK %s; ipset -exist add fail2ban-ASTERISK6 %s", p.addrs[0], p.addrs[1]))
			}
		}},
	{name: "another program's ban in the chain fail2ban-ssh", base: true, ports: []port{ssh}, none: onlyLetIn(byOthers, byAddress, byName, bySRV),
		block: func(l *lab, friends []person, stranger person) {
			l.busy("voipbl-ssh", sshAction, wrongLogin)
			for _, p := range append(friends, stranger) {
				l.sh(fmt.Sprintf("iptables -w 10 -A fail2ban-ssh -s %s -j DROP; ip6tables -w 10 -A fail2ban-ssh -s %s -j DROP", p.addrs[0], p.addrs[1]))
			}
		}},
	limit("REGISTER in a minute", "REGISTER", 20, 20, true),
	limit("INVITE in a minute", "INVITE", 20, 20, true),
	limit("new flows in a second", "OPTIONS", 20, 200, false),
	limit("packets in a second", "OPTIONS", 400, 2000, true),
	{name: "base rules with SIP that is not public", base: true, ports: []port{sipUDP, sipTCP}, none: onlyLetIn(notLetIn),
		block: func(l *lab, _ []person, _ person) {
			l.configure(false)
			l.apply()
		}},
}

// list puts of(p, family) of everybody on the list.
func (l *lab) list(people []person, of func(p person, family int) string) {
	l.Helper()
	var lines []string
	for _, p := range people {
		lines = append(lines, of(p, 0), of(p, 1))
	}
	l.write("lists/list", strings.Join(lines, "\n")+"\n")
	l.sh("voipbl sync")
}

// ban bans of(p, family) of everybody. voipbl refuses a friend, or leaves friends out
// of a network.
func (l *lab) ban(friends []person, stranger person, of func(p person, family int) string) {
	l.Helper()
	for f := range pbx {
		for _, p := range friends {
			l.run("voipbl ban " + of(p, f) + " --reason table") // another test checks the message
		}
		l.sh("voipbl ban " + of(stranger, f) + " --reason table")
	}
}

// action is an action of ours, with a check whether it has banned an address in the
// kernel.
type action struct {
	name string
	has  [2]string
}

var (
	setAction = action{"voipbl-set", [2]string{"ipset save | grep '^add fail2ban-' | grep -F", "ipset save | grep '^add fail2ban-' | grep -F"}}
	banAction = action{"voipbl-ban", [2]string{"ipset -quiet test voip_ban", "ipset -quiet test voip_ban6"}}
	sshAction = action{"voipbl-ssh", [2]string{"ipset save | grep '^add f2bs-' | grep -F", "ipset save | grep '^add f2bs-' | grep -F"}}
)

// jail is one of our jails with one of our actions, and an attack that it counts. The
// jail itself asks voipbl whether an address is exempt.
func jail(name string, action action, options string, attack func(l *lab, p person, family int), ports ...port) way {
	return jailWay("jail "+name+" with action "+action.name, name, action, options, " Ignore ", attack, ports)
}

// asksNobody is a jail as others have them, which counts friends, too.
func asksNobody(action action, ports ...port) way {
	return jailWay("action "+action.name+" of a jail that asks nobody", "voipbl-ssh", action, "\nignorecommand =", " Ban ", wrongLogin, ports)
}

// jailWay is a jail that logs word about a friend who attacks.
func jailWay(what, name string, action action, options, word string, attack func(l *lab, p person, family int), ports []port) way {
	return way{name: what, setsOnly: action.name == banAction.name, ports: ports, block: func(l *lab, friends []person, stranger person) {
		l.Helper()
		l.jail(name, "action = "+action.name+options)
		for _, p := range append(friends, stranger) {
			for f := range pbx {
				attack(l, p, f)
			}
		}
		for f, addr := range stranger.addrs {
			l.eventually(fmt.Sprintf("%s: %s is banned", what, addr), func() bool {
				_, err := l.run(action.has[f] + " " + addr.String())
				return err == nil
			})
		}
		l.says(word, friends)
	}}
}

// says waits until fail2ban has logged word about each address of everybody.
func (l *lab) says(word string, people []person) {
	l.Helper()
	for _, p := range people {
		for _, addr := range p.addrs {
			l.eventually(fmt.Sprintf("fail2ban says%sof %s", word, addr), func() bool {
				return strings.Contains(l.read("fail2ban.log"), word+addr.String())
			})
		}
	}
}

// neighboursBanned bans a neighbour of each friend. A ban of an IPv6 address covers its
// /64, which includes the friend.
var neighboursBanned = way{name: "a neighbour's ban by voipbl-ban", setsOnly: true, ports: []port{sipUDP, sipTCP, ssh},
	block: func(l *lab, friends []person, stranger person) {
		l.Helper()
		l.jail("voipbl-ssh", "action = voipbl-ban")
		var attackers []person
		for _, p := range friends {
			if p.name != network && p.name != lan { // the neighbour is a friend, too
				attackers = append(attackers, p.neighbour())
			}
		}
		attackers = append(attackers, stranger.neighbour(), stranger)
		for _, p := range attackers {
			for f := range pbx {
				wrongLogin(l, p, f)
			}
		}
		for _, p := range attackers {
			for f, addr := range p.addrs {
				l.eventually(fmt.Sprintf("%s is banned", addr), func() bool {
					_, err := l.run(banAction.has[f] + " " + addr.String())
					return err == nil && l.blocked(sipUDP, p, f)
				})
			}
		}
	}}

// asShipped is one of our jails with its own actions. First each friend attacks and is
// ignored. Then a neighbour of each attacks: over IPv6 the /64 around both is banned, over
// IPv4 the neighbour; has checks that. The attacks are lines in ownLog, because base rules
// count a /64 as one address, so that packets of the neighbour would reach the limit too
// early.
func asShipped(name string, attack func(l *lab, p person, family int), has string, ports ...port) way {
	return way{name: "a neighbour's ban by the jail " + name + " as it is shipped", setsOnly: true, ports: ports,
		block: func(l *lab, friends []person, stranger person) {
			l.Helper()
			l.jailOfLines(name)
			has := [2]string{has, banAction.has[1]}
			for _, p := range friends {
				for f := range pbx {
					attack(l, p, f)
				}
			}
			l.says(" Ignore ", friends)
			attackers := []person{stranger}
			for _, p := range friends {
				if p.name != network && p.name != lan { // the neighbour is a friend, too
					attackers = append(attackers, p.neighbour())
				}
			}
			for _, p := range attackers {
				for f := range pbx {
					attack(l, p, f)
				}
			}
			for _, p := range attackers {
				for f, addr := range p.addrs {
					l.eventually(fmt.Sprintf("%s is banned", addr), func() bool {
						_, err := l.run(has[f] + " " + addr.String())
						return err == nil
					})
				}
			}
			l.eventually("the stranger's /64 is banned", func() bool {
				_, err := l.run(has[1] + " " + stranger.addrs[1].Next().String())
				return err == nil
			})
		}}
}

// busy makes an action ban an address of each family, so that its rules exist.
func (l *lab) busy(jail string, action action, attack func(l *lab, p person, family int)) {
	l.Helper()
	l.jail(jail, "action = "+action.name)
	p := l.stranger()
	for f, addr := range p.addrs {
		attack(l, p, f)
		l.eventually(fmt.Sprintf("%s is banned", addr), func() bool {
			_, err := l.run(action.has[f] + " " + addr.String())
			return err == nil
		})
	}
}

// limit is a limit of the base rules. sent requests always exceed it. A stranger may
// send more of them: on a slow machine a rate limit recovers.
func limit(name, method string, sent, more int, flow bool) way {
	return way{
		name: "the limit of " + name, base: true, none: onlyLetIn(notLetIn),
		block: func(*lab, []person, person) {},
		passes: func(l *lab, p person, family int) bool {
			return l.stream(p, family, method, sent, flow, attempts*resend) == sent
		},
		blocked: func(l *lab, p person, family int) bool {
			return l.stream(p, family, method, more, flow, silence) < more
		},
	}
}

// wrongPassword tries passwords at Asterisk until its logs have enough lines.
func wrongPassword(l *lab, p person, family int) {
	l.Helper()
	c := l.client(p, family)
	for range maxretry / 2 {
		r := c.Request("REGISTER", "6002")
		challenge, ok := l.attack(c, r)
		if !ok {
			return // it has been banned
		}
		l.attack(c, r.Authorized(challenge, "6002", "wrong"))
	}
}

// attack sends a request, and repeats it once if it gets no answer for a long time. Base
// rules let in 11 a minute. If it repeated as often as a phone, a slow PBX would make it
// reach that limit before the jail has counted enough.
func (l *lab) attack(c *testsip.Client, r testsip.Request) (testsip.Answer, bool) {
	return l.ask(c, r, 2, attempts*resend)
}

// unknownUser calls as a user unknown to Asterisk.
func unknownUser(l *lab, p person, family int) {
	l.Helper()
	c := l.client(p, family)
	for range maxretry {
		if _, ok := l.attack(c, testasterisk.Call(c, "9999", "200")); !ok {
			return
		}
	}
}

// wrongLogin writes sshd's log line about a wrong password.
func wrongLogin(l *lab, p person, family int) {
	l.Helper()
	l.lines("2006-01-02T15:04:05.000000-07:00", func() string {
		l.logins++ // fail2ban counts lines of one process as one connection
		return fmt.Sprintf("pbx sshd[%d]: Failed password for root from %s port 50022 ssh2", 1000+l.logins, p.addrs[family])
	})
}

// wrongPasswordLine writes Asterisk's log line about a wrong password.
func wrongPasswordLine(l *lab, p person, family int) {
	l.Helper()
	l.lines(asteriskTime, func() string {
		return fmt.Sprintf(`SECURITY[1234] res_security_log.c: SecurityEvent="InvalidPassword",EventTV="2026-11-23T05:37:07.138+0000",Severity="Error",Service="PJSIP",EventVersion="2",AccountID="6002",SessionID="x",LocalAddress="%s",RemoteAddress="%s",Challenge="1",ReceivedChallenge="1",ReceivedHash="2"`,
			asteriskAddr(pbx[family]), asteriskAddr(p.addrs[family]))
	})
}

// unknownUserLine writes Asterisk's log line about an unknown user.
func unknownUserLine(l *lab, p person, family int) {
	l.Helper()
	l.lines(asteriskTime, func() string {
		return fmt.Sprintf(`SECURITY[1234] res_security_log.c: SecurityEvent="InvalidAccountID",EventTV="2026-11-23T05:37:07.138+0000",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="9999",SessionID="x",LocalAddress="%s",RemoteAddress="%s"`,
			asteriskAddr(pbx[family]), asteriskAddr(p.addrs[family]))
	})
}

const asteriskTime = "[2006-01-02 15:04:05]"

func asteriskAddr(addr netip.Addr) string {
	if addr.Is4() {
		return "IPV4/UDP/" + addr.String() + "/5060"
	}
	return "IPV6/UDP/" + addr.String() + "/5060"
}

// freeswitchLine writes FreeSWITCH's log line about a wrong password.
func freeswitchLine(l *lab, p person, family int) {
	l.Helper()
	l.lines("2006-01-02 15:04:05.000000", func() string {
		return fmt.Sprintf("98.67%% [WARNING] sofia_reg.c:1737 SIP auth failure (REGISTER) on sofia profile 'internal' for [1001@pbx.example] from ip %s", p.addrs[family])
	})
}
