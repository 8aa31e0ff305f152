package fail2ban_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBan: attackers are dropped on all ports by voipbl's own set, with a reason that tells whose bans
// they are, and fail2ban takes back only its own bans.
func TestBan(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.write("blocklist.d/list", "4.4.4.4\n2a00:4::4\n")
		h.sh("voipbl sync || test $? = 3")
		h.sh("voipbl ban 3.3.3.3 --reason 'by hand'")
		h.serve()
		h.jails(asterisk("bantime = 2h\naction = voipbl-ban[marks=DIR]"))
		h.start()
		h.attack(attacker[:]...)
		h.banned(hosts, attacker)
		h.expect("banned", h.knock, attacker, silent)
		h.expect("banned", h.dial, attacker, silent)
		h.expect("banned", h.knock, bystander, answered)
		// The kernel comes first; the ban is saved a moment later.
		told := regexp.MustCompile(`(?m)^8\.8\.8\.8 .* 20\d\d-.* fail2ban voipbl-asterisk$`)
		h.eventually("voipbl bans tells it", func() bool { return told.MatchString(h.sh("voipbl bans")) })
		h.client("unban " + attacker[0].String() + " " + attacker[1].String())
		h.freed(hosts, attacker)
		h.expect("unbanned", h.knock, attacker, answered)

		// The network around an IPv6 address is banned, since the attacker has all of it.
		h.attack(attacker[:]...)
		h.banned(hosts, attacker)
		if !h.in(hosts[1], netip.MustParseAddr("2a00:8::dead:beef")) || h.in(hosts[1], netip.MustParseAddr("2a00:8:0:1::8")) {
			h.Error("what is banned is not the /64")
		}
		h.client("unban " + attacker[0].String() + " " + attacker[1].String())
		h.freed(hosts, attacker)

		// A ban by hand is separate and stays; a ban that has already ended is no error.
		h.attack(attacker[:]...)
		h.banned(hosts, attacker)
		h.sh("voipbl ban 8.8.8.8 --reason mine; voipbl unban 2a00:8::8")
		h.client("unban " + attacker[0].String() + " " + attacker[1].String())
		if !h.in(hosts[0], attacker[0]) {
			h.Error("a ban by hand is gone with fail2ban's")
		}

		// So it does when fail2ban bans the address again, and restores that ban when it
		// starts.
		h.attack(attacker[0])
		h.eventually("banned once more", func() bool { return strings.Contains(h.sh("voipbl bans"), " fail2ban voipbl-asterisk") })
		h.stop()
		h.start()
		h.eventually("restored", func() bool { return strings.Contains(h.sh("voipbl bans"), " fail2ban voipbl-asterisk") })
		if bans := h.sh("voipbl bans"); !regexp.MustCompile(`(?m)^8\.8\.8\.8 .* no end +mine$`).MatchString(bans) {
			h.Errorf("the ban by hand has become another one:\n%s", bans)
		}
		h.client("unban " + attacker[0].String())
		if !h.in(hosts[0], attacker[0]) {
			h.Error("a ban by hand is gone with a restored one of fail2ban's")
		}
		h.sh("voipbl unban 8.8.8.8")

		// All at once; other bans stay.
		h.attack(append(attacker[:], bystander[:]...)...)
		h.banned(hosts, attacker)
		h.banned(hosts, bystander)
		h.client("unban --all")
		h.freed(hosts, attacker)
		h.freed(hosts, bystander)
		h.sh("ipset test voip_ban 3.3.3.3 && ipset test voip_bl 4.4.4.4")

		// They end with fail2ban, and come back with it for the rest of their time.
		h.attack(attacker[:]...)
		h.banned(hosts, attacker)
		end := h.until(attacker[0].String())
		h.stop()
		h.freed(hosts, attacker)
		h.sh("ipset test voip_ban 3.3.3.3")
		starts := time.Now()
		h.start()
		h.banned(hosts, attacker)
		// fail2ban calculates the remaining time before it bans, so its delay is added.
		if again := h.until(attacker[0].String()); again.Sub(end).Abs() > time.Since(starts)+2*time.Second {
			h.Errorf("a ban until %s was restored until %s", end, again)
		}
		h.stop()
	})
}

// TestShipped: the jails as shipped ban an IPv6 attacker's /64, and an IPv4 attacker's address at the
// jail's ports only. A friend in the /64 stays free, at the time of the ban and later.
func TestShipped(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.protect("false")
		guest := [2]netip.Addr{friend[0].Next(), friend[1].Next()} // in the friend's networks
		for f, a := range guest {
			h.others[a] = h.others[friend[f]]
		}
		h.serve()
		h.keepNeighbours(friend)
		h.jails(strings.ReplaceAll(both("")+sshJail, "action = voipbl-ssh[marks=DIR]\n", ""))
		h.start()
		h.attack(guest[:]...)
		h.tell(patience60, unknown, bystander[:]...)
		h.banned(sets, guest)
		h.banned(unknownSets, bystander)
		h.client("set voipbl-ssh banip " + newcomer[0].String() + " " + newcomer[1].String())
		for _, a := range []netip.Addr{guest[1], bystander[1], newcomer[1]} {
			last := netip.PrefixFrom(a, 64).Masked().Addr().As16()
			last[15], last[14] = 0xef, 0xbe
			h.eventually("the /64 of "+a.String()+" is banned", func() bool { return h.in(hosts[1], netip.AddrFrom16(last)) })
		}
		for what, got := range map[string]bool{
			"IPv4 address is banned on all ports":        h.in(hosts[0], guest[0]) || h.in(hosts[0], bystander[0]) || h.in(hosts[0], newcomer[0]),
			"friend in the /64 of an attacker is banned": h.in(hosts[1], friend[1]) || h.in(sets[1], friend[1]) || h.in(owns[1], friend[1]),
		} {
			if got {
				h.Errorf("an %s", what)
			}
		}
		for _, c := range []struct {
			what string
			try  func(int, netip.Addr) string
			from [2]netip.Addr
			want [2]string
		}{
			{"SIP of the attacker", h.knock, guest, [2]string{rejected, silent}},
			{"SIP of the one who tries users", h.knock, bystander, [2]string{rejected, silent}},
			{"SSH of the attacker", h.dial, guest, [2]string{answered, silent}},
			{"SIP of the friend", h.knock, friend, [2]string{answered, answered}},
			{"SSH of the friend", h.dial, friend, [2]string{answered, answered}},
		} {
			for f, a := range c.from {
				if got := c.try(f, a); got != c.want[f] {
					h.Errorf("%s (%s): %s, not %s\n%s", c.what, a, got, c.want[f], h.sh(tables[f]+"-save -c; ipset save"))
				}
			}
		}
		h.eventually("SSH is closed to whoever guessed there", func() bool {
			return h.dial(0, newcomer[0]) == rejected && h.dial(1, newcomer[1]) == silent
		})

		h.client("unban --all")
		h.freed(sets, guest)
		h.freed(hosts, guest)
		h.expect("unbanned", h.knock, guest, answered)
		h.attack(guest[:]...)
		h.eventually("banned again", func() bool { return h.in(hosts[1], guest[1]) })
		h.stop()
		h.freed(hosts, guest)
	})
}

// until returns when a ban ends, by "voipbl bans".
func (h *host) until(addr string) time.Time {
	h.Helper()
	end := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(addr) + ` .*? (20\d\d-\d\d-\d\d \d\d:\d\d:\d\d) `)
	var m []string
	h.eventually(addr+" has an end", func() bool {
		m = end.FindStringSubmatch(h.sh("voipbl bans"))
		return m != nil
	})
	until, err := time.ParseInLocation(time.DateTime, m[1], time.Local)
	h.must(err)
	return until
}

// TestBanEnds: bans without an end, and with one that voipbl refuses.
func TestBanEnds(t *testing.T) {
	for bantime, want := range map[string]string{"-1": "no end", "20000d": "fail2ban"} {
		h := newHost(t, "nft")
		h.sh("voipbl sync --offline || test $? = 3")
		h.jails(asterisk("bantime = " + bantime + "\naction = voipbl-ban[marks=DIR]"))
		h.start()
		h.attack(attacker[0])
		var bans string
		h.eventually("banned", func() bool {
			bans = h.sh("voipbl bans")
			return h.in(hosts[0], attacker[0]) && strings.Contains(bans, want)
		})
		if !strings.Contains(bans, want) || strings.Contains(bans, "no end") != (bantime == "-1") {
			h.Errorf("bantime %s:\n%s", bantime, bans)
		}
		h.stop()
	}
}

// TestBanRefused: if an address is exempt and the jail does not ask, fail2ban's log has voipbl's own
// message once. That address is not blocked, and others are.
func TestBanRefused(t *testing.T) {
	h := newHost(t, "nft")
	h.sh("voipbl sync --offline || test $? = 3")
	h.jails(asterisk("ignorecommand =\naction = voipbl-ban[marks=DIR]"))
	h.start()
	h.attack(friend[:]...)
	h.attack(attacker[:]...)
	h.banned(hosts, attacker)
	log := h.read("fail2ban.log")
	for _, a := range friend {
		if n := strings.Count(log, "stderr: '"+"voipbl: "+a.String()+" is not banned: it is exempt: allow"); n != 1 {
			h.Errorf("%s is said to be refused %d times:\n%s", a, n, strings.Join(h.complaints(), ""))
		}
	}
	if strings.Contains(log, "Failed to execute ban") || strings.Count(log, "returned 1") != 2 {
		h.Errorf("fail2ban complains of more than two refusals:\n%s", strings.Join(h.complaints(), ""))
	}
	if h.in(hosts[0], friend[0]) || h.in(hosts[1], friend[1]) {
		h.Error("an exempt address is blocked")
	}
	h.forget()
	h.client("unban --all")
	h.client("stop")
	h.server.Wait()
}

// TestReport: what is reported and what is not. A script records how it was called.
func TestReport(t *testing.T) {
	h := newHost(t, "nft")
	h.write("report", "#!/bin/sh\necho \"$@\" >>DIR/told\n")
	h.write("told", "")
	h.sh("chmod 700 " + h.path("report"))
	h.jails(asterisk("action = voipbl-set[port=\"%(port)s\"]\n\tvoipbl-report[voipbl=DIR/report]"))
	h.start()
	h.attack(attacker[:]...)
	h.banned(sets, attacker)
	told := func(want string) {
		h.Helper()
		h.eventually("told:\n"+want, func() bool { return h.read("told") == want })
	}
	want := "report 8.8.8.8 --count 12\nreport 2a00:8::8 --count 12\n"
	told(want)
	h.stop()
	h.start() // restores both, and tells nobody
	h.banned(sets, attacker)
	h.attack(bystander[0])
	want += "report 9.9.9.9 --count 12\n"
	told(want)
	h.client("set voipbl-asterisk unbanip 9.9.9.9")
	want += "report --unban 9.9.9.9\n"
	told(want)
	h.stop()
	told(want)
}
