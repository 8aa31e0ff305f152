package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

func TestScenarios(t *testing.T) {
	other := netip.AddrPortFrom(attacker.Addr(), 5099)
	tcp := func(what pbx.What, account string) pbx.Observation {
		return pbx.Observation{Source: attacker, What: what, Account: account, Proved: true, Transport: "tcp"}
	}
	for name, c := range map[string]struct {
		happens func(w *world)
		want    string
	}{
		// Attackers.
		"a guesser who uses each nonce": {func(w *world) {
			w.what(attacker, pbx.Asked, "6001")
			for range 10 {
				w.wait(50 * time.Millisecond)
				w.wrong(attacker, "6001")
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved"},
		"a guesser who asks for each nonce": {func(w *world) {
			for range 10 {
				w.attempt(attacker, "6001")
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved"},
		"a guesser over TCP, as fast as it is answered": {func(w *world) {
			n := 0
			for range 100 {
				if w.see(tcp(pbx.WrongPassword, "6001")) {
					n++
				}
				w.wait(time.Millisecond / 2)
			}
			if n > 5 {
				w.t.Errorf("%d answers", n)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved"},
		"one password for many accounts": {func(w *world) {
			for i := range 10 {
				w.attempt(attacker, fmt.Sprint(6001+i))
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords for 2 accounts in 1 s, proved"},
		"the same from another port each time": {func(w *world) {
			for i := range 10 {
				w.attempt(port(attacker.Addr(), i), fmt.Sprint(6001+i))
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords for 3 accounts in 1 s, proved"},
		"accounts that do not exist, over TCP": {func(w *world) {
			for i := range 100 {
				w.see(tcp(pbx.UnknownAccount, fmt.Sprint(100+i)))
				w.wait(50 * time.Millisecond)
			}
		}, "2 s: ban 203.0.113.66 for 10 min: 41 unknown accounts in 2 s, proved"},
		"accounts that do not exist, fast": {func(w *world) {
			for i := range 100 {
				w.see(tcp(pbx.UnknownAccount, fmt.Sprint(100+i)))
				w.wait(5 * time.Millisecond)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 60 unknown accounts in 1 s, proved"},
		"accounts that do not exist, ten in a moment and one more": {func(w *world) {
			for i := range 11 {
				if i == 10 {
					w.wait(unknownFor)
				}
				w.see(tcp(pbx.UnknownAccount, fmt.Sprint(100+i)))
			}
		}, "2 s: ban 203.0.113.66 for 10 min: 11 unknown accounts in 2 s, proved"},
		"one account in three minutes": {func(w *world) {
			for i := range 10 {
				w.attempt(attacker, fmt.Sprint(6001+i))
				w.wait(3 * time.Minute)
			}
		}, "9 min: ban 203.0.113.66 for 10 min: 4 wrong passwords for 4 accounts in 9 min, proved\n" +
			"24 min: ban 203.0.113.66 for 1 h: 2 wrong passwords for 2 accounts in 3 min, proved"},
		"one guess in ten minutes, for a month": {func(w *world) {
			for range 30 * 24 * 6 {
				w.wrong(attacker, "6001")
				w.wait(10 * time.Minute)
			}
			for i, b := range w.bans {
				want := 24 * time.Hour
				if i < patient {
					want = time.Hour
				}
				if i > 0 && b.For != want {
					w.t.Errorf("ban %d is %v", i, b)
				}
			}
			if n := len(w.bans); n < 30 {
				w.t.Errorf("%d bans", n)
			}
			w.told = w.told[:2]
		}, "4 h: ban 203.0.113.66 for 10 min: 23 wrong passwords in 4 h, proved\n" +
			"5 h: ban 203.0.113.66 for 1 h: 5 wrong passwords in 40 min, proved"},
		"one guess of two accounts in ten minutes, for two weeks": {func(w *world) {
			for i := range 14 * 24 * 6 {
				w.wrong(attacker, fmt.Sprint(i%2))
				w.wait(10 * time.Minute)
			}
		}, "4 h: ban 203.0.113.66 for 10 min: 23 wrong passwords for 2 accounts in 4 h, proved\n" +
			"4 h: ban 203.0.113.66 for 1 h: 2 wrong passwords for 2 accounts in 10 min, proved\n" +
			"5 h: ban 203.0.113.66 for 1 d: 2 wrong passwords for 2 accounts in 10 min, proved\n" +
			"1 d: ban 203.0.113.66 for 7 d: 2 wrong passwords for 2 accounts in 10 min, proved\n" +
			"8 d: ban 203.0.113.66 for 7 d: 2 wrong passwords for 2 accounts in 10 min, proved"},
		"one guess in two hours is not banned": {func(w *world) {
			for range 300 {
				w.wrong(attacker, "6001")
				w.wait(2 * time.Hour)
			}
		}, ""},
		"who comes back": {func(w *world) {
			for range 5 {
				for range 10 {
					w.attempt(attacker, "6001")
				}
				w.wait(w.bans[len(w.bans)-1].For)
			}
			w.wait(14*24*time.Hour + time.Minute)
			w.attempt(attacker, "6001")
			w.attempt(attacker, "6001")
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved\n" +
			"10 min: ban 203.0.113.66 for 1 h: 2 wrong passwords in 1 s, proved\n" +
			"1 h: ban 203.0.113.66 for 1 d: 2 wrong passwords in 1 s, proved\n" +
			"1 d: ban 203.0.113.66 for 7 d: 2 wrong passwords in 1 s, proved\n" +
			"8 d: ban 203.0.113.66 for 7 d: 2 wrong passwords in 1 s, proved\n" +
			"29 d: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved"},
		"within a network /64": {func(w *world) {
			for i := range 10 {
				w.wrong(netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2:%x::1", i)), 5060), "6001")
			}
			w.wrong(netip.MustParseAddrPort("[2001:db8:1:3::1]:5060"), "6001")
			w.wrong(netip.MustParseAddrPort("[2001:db8:1:3::1]:5060"), "6001")
		}, "0 s: ban 2001:db8:1:2:2::1 for 10 min: 3 wrong passwords in 1 s, proved"},
		"one who has a /48 and guesses once from each /64": {func(w *world) {
			w.hasNetwork("2001:db8:1", manySources)
			for i := range 3 {
				w.wrong(netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", 99+i)), 5060), "6001")
			}
			w.wrong(netip.MustParseAddrPort("[2001:db8:2::1]:5060"), "6001")
		}, "0 s: ban 2001:db8:1:63::1 for 10 min: 1 wrong password in 1 s, proved\n" +
			"0 s: ban 2001:db8:1:64::1 for 10 min: 1 wrong password in 1 s, proved\n" +
			"0 s: ban 2001:db8:1:65::1 for 10 min: 1 wrong password in 1 s, proved"},
		"one who has a /48, and a phone of its neighbour": {func(w *world) {
			phone, stranger := netip.MustParseAddrPort("[2001:db8:1:99::1]:5060"), netip.MustParseAddrPort("[2001:db8:1:98::1]:5060")
			w.register(phone, "6000", 30*24*time.Hour)
			w.hasNetwork("2001:db8:1", 100)
			for range 5 {
				w.attempt(phone, "6000")
				w.what(stranger, pbx.WrongPassword, "6001") // anybody can have sent it
				w.proved(stranger, pbx.Refused, "6001")
				w.wait(time.Minute)
			}
			w.wrong(stranger, "6001")
			w.wait(10 * time.Minute)
			w.wrong(stranger, "6001")
			w.wait(time.Hour)
			w.register(stranger, "6001", time.Hour)
			w.attempt(stranger, "6001")
		}, "5 min: ban 2001:db8:1:98::1 for 10 min: 1 wrong password in 1 s, proved\n" +
			"15 min: ban 2001:db8:1:98::1 for 1 h: 1 wrong password in 1 s, proved\n" +
			"1 h: phone 6001 is at 2001:db8:1:98::1"},
		"one who has a /48, a day later; three /64 of another; and single addresses": {func(w *world) {
			w.hasNetwork("2001:db8:1", manySources)
			w.wait(24 * time.Hour)
			w.hasNetwork("2001:db8:2", manySources-1)
			for i := range 10 {
				w.burst(netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("64:ff9b::203.0.113.%d", i)), 1))
			}
			w.told = nil
			for _, a := range []string{"2001:db8:1:99::1", "2001:db8:2:99::1", "64:ff9b::203.0.113.99", "203.0.113.99"} {
				w.wrong(netip.AddrPortFrom(netip.MustParseAddr(a), 1), "6001")
			}
		}, ""},
		"FreeSWITCH refuses wrong passwords": {func(w *world) {
			for range 20 {
				w.proved(attacker, pbx.Refused, "6001")
				w.wait(50 * time.Millisecond)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 6 refusals in 1 s, proved"},
		"a scanner that is known, over TCP": {func(w *world) {
			o := tcp(pbx.Scanned, "")
			o.Agent = "SIP/2.0 Friendly-Scanner"
			w.see(o)
			w.see(o)
		}, "0 s: ban 203.0.113.66 for 10 min: its program is friendly-scanner, a trap, proved"},
		"a scanner that is known, over UDP": {func(w *world) {
			for range 10 {
				w.see(pbx.Observation{Source: attacker, What: pbx.Scanned, Agent: "friendly-scanner"})
			}
		}, "0 s: ban 203.0.113.66 for 10 min: its program is friendly-scanner, a trap, not proved"},
		"a number that is a trap": {func(w *world) {
			w.see(pbx.Observation{Source: attacker, What: pbx.Asked, Method: "INVITE", Called: "00972595", Transport: "tls", Proved: true})
		}, "0 s: ban 203.0.113.66 for 10 min: asked for 00972595, a trap, proved"},
		"an account that is a trap": {func(w *world) {
			w.wrong(attacker, "admin")
		}, "0 s: ban 203.0.113.66 for 10 min: used account admin, a trap, proved"},
		"AMI alone: over UDP it proves nothing": {func(w *world) {
			for range 30 {
				w.what(attacker, pbx.WrongPassword, "6001")
				w.wait(50 * time.Millisecond)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, not proved"},
		"AMI alone: a guesser who asks for each nonce": {func(w *world) {
			w.ami(attacker, "6001", 10, 50*time.Millisecond)
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, not proved"},
		"AMI alone: a guesser who tries accounts that do not exist": {func(w *world) {
			for i := range 10 {
				w.what(attacker, pbx.UnknownAccount, fmt.Sprint(i))
				w.what(attacker, pbx.UnknownAccount, fmt.Sprint(i))
				w.what(attacker, pbx.WrongPassword, fmt.Sprint(i))
				w.wait(50 * time.Millisecond)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords for 2 accounts in 1 s, not proved"},
		"AMI alone: one guess in six seconds, for a day, is less than two hundred": {func(w *world) {
			if n := w.ami(attacker, "6001", 24*60*10, 6*time.Second); n < 100 || n > 200 {
				w.t.Errorf("%d guesses", n)
			}
			w.told = w.told[:3]
		}, "24 s: ban 203.0.113.66 for 10 min: 5 wrong passwords in 24 s, not proved\n" +
			"11 min: ban 203.0.113.66 for 10 min: 10 wrong passwords in 11 min, not proved\n" +
			"21 min: ban 203.0.113.66 for 10 min: 15 wrong passwords in 21 min, not proved"},
		"AMI alone: one guess in five minutes, for two days": {func(w *world) {
			if n := w.ami(attacker, "6001", 2*24*12, 5*time.Minute); n > 300 {
				w.t.Errorf("%d guesses", n)
			}
			w.told = w.told[:1]
		}, "2 h: ban 203.0.113.66 for 10 min: 21 wrong passwords in 2 h, not proved"},
		"AMI alone: a phone with a wrong password that its owner mends is in ten minutes later": {func(w *world) {
			w.ami(port(office, 0), "6001", 60, 30*time.Second)
			w.told = nil
			for range 21 {
				w.register(port(office, 0), "6001", time.Hour)
				w.wait(30 * time.Second)
			}
			w.ami(port(office, 0), "6001", 1000, time.Second)
		}, "39 min: phone 6001 is at 198.51.100.7\n" +
			"42 min: 100 wrong passwords in 2 min from 198.51.100.7, where 1 account is right, not proved; the last one for account 6001: does it guess?"},
		"AMI alone: a provider pings and calls, and Asterisk knows none of its numbers": {func(w *world) {
			for i := range 10_000 {
				w.what(attacker, pbx.UnknownAccount, "ping")
				w.what(other, pbx.UnknownAccount, fmt.Sprint(i))
				w.wait(10 * time.Second)
			}
		}, ""},
		"AMI alone: those bans do not grow, and do not count as a past": {func(w *world) {
			for range 3 {
				for range 60 {
					w.what(attacker, pbx.UnknownAccount, "6001")
				}
				w.wait(11 * time.Minute)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 60 unknown accounts in 1 s, not proved\n" +
			"11 min: ban 203.0.113.66 for 10 min: 60 unknown accounts in 1 s, not proved\n" +
			"22 min: ban 203.0.113.66 for 10 min: 60 unknown accounts in 1 s, not proved"},
		"a flood of requests over UDP": {func(w *world) {
			for i := range 300 {
				w.what(attacker, pbx.Asked, fmt.Sprint(i))
				w.wait(20 * time.Millisecond)
			}
		}, "1 s: ban 203.0.113.66 for 10 min: 61 challenged requests in 1 s, not proved"},
		"a flood of requests over TCP": {func(w *world) {
			for i := range 100 {
				w.see(tcp(pbx.Asked, fmt.Sprint(i)))
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 60 challenged requests in 1 s, proved"},
		"an attacker who registers, and then guesses other accounts": {func(w *world) {
			w.register(attacker, "6001", time.Hour)
			for i := range 10 {
				w.attempt(attacker, fmt.Sprint(6002+i))
			}
		}, "0 s: phone 6001 is at 203.0.113.66\n" +
			"0 s: no more trust in 203.0.113.66: 4 wrong passwords for 4 accounts in 1 s, where 1 account is right\n" +
			"0 s: ban 203.0.113.66 for 10 min: 4 wrong passwords for 4 accounts in 1 s, where 1 account is right, proved"},
		"an attacker who registers, and then guesses one": {func(w *world) {
			w.register(attacker, "6001", time.Hour)
			for range 100 {
				w.attempt(attacker, "6002")
			}
			w.wait(10 * time.Minute)
			w.register(attacker, "6001", time.Hour)
			for range 100 {
				w.attempt(attacker, "6002")
			}
		}, "0 s: phone 6001 is at 203.0.113.66\n" +
			"2 s: no more trust in 203.0.113.66: 20 wrong passwords in 2 s, where 1 account is right\n" +
			"2 s: ban 203.0.113.66 for 10 min: 20 wrong passwords in 2 s, where 1 account is right, proved\n" +
			"10 min: phone 6001 is at 203.0.113.66\n" +
			"10 min: no more trust in 203.0.113.66: 20 wrong passwords in 2 s, where 1 account is right\n" +
			"10 min: ban 203.0.113.66 for 1 h: 20 wrong passwords in 2 s, where 1 account is right, proved"},
		"an attacker who registers, and then guesses, and nothing proves that": {func(w *world) {
			w.register(attacker, "6001", time.Hour)
			for i := range 1000 {
				w.what(attacker, pbx.WrongPassword, fmt.Sprint(7000+i%20))
				w.wait(100 * time.Millisecond)
			}
			w.wait(25 * time.Hour)
			for range 200 { // less than a hundred in a day
				w.what(attacker, pbx.WrongPassword, "7000")
				w.wait(15 * time.Minute)
			}
			for range 110 {
				w.what(attacker, pbx.WrongPassword, "7000")
			}
		}, "0 s: phone 6001 is at 203.0.113.66\n" +
			"10 s: 100 wrong passwords in 10 s from 203.0.113.66, where 1 account is right, not proved; the last one for account 7019: does it guess?\n" +
			"3 d: 100 wrong passwords in 1 s from 203.0.113.66, where 1 account is right, not proved; the last one for account 7000: does it guess?"},
		"an attacker who registers, and then guesses, and the copies prove that": {func(w *world) {
			w.register(attacker, "6001", time.Hour)
			for range 5 {
				for range 25 {
					w.wrong(attacker, "6001")
					w.what(attacker, pbx.WrongPassword, "6001")
				}
				w.wait(2 * time.Minute)
			}
		}, "0 s: phone 6001 is at 203.0.113.66\n6 min: 100 wrong passwords in 6 min from 203.0.113.66, where 1 account is right; the last one for account 6001"},
		"a stolen password in many networks": {func(w *world) {
			for i := range 6 {
				w.register(netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(10*i + 10), 1, 1, 1}), 5060), "6001", time.Hour)
			}
			w.register(port(office, 0), "6001", time.Hour)
		}, "0 s: phone 6001 is at 10.1.1.1\n0 s: phone 6001 is at 20.1.1.1\n0 s: phone 6001 is at 30.1.1.1\n0 s: phone 6001 is at 40.1.1.1\n" +
			"0 s: account 6001 has proved its password from 4 networks in a day, the last time from 40.1.1.1: is it stolen?\n" +
			"0 s: phone 6001 is at 50.1.1.1\n0 s: phone 6001 is at 60.1.1.1\n0 s: phone 6001 is at 198.51.100.7"},

		"AMI alone: the owner of one password proves it for many addresses, and forges packets of a phone of that account": {func(w *world) {
			w.register(port(office, 0), "6000", time.Hour)
			w.wait(time.Minute)
			w.proved(port(office, 0), pbx.Unregistered, "6000") // that can be forged so, too
			for i := range 3 * pbx.MostOfAccount {
				w.wait(time.Second)
				w.register(port(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 0), "6000", 24*time.Hour)
			}
			moved := netip.MustParseAddr("198.51.100.8")
			w.register(port(moved, 0), "6000", time.Hour)
			w.told = nil
			for range 10 {
				w.what(port(office, 0), pbx.WrongPassword, "6001")
				w.what(port(moved, 0), pbx.WrongPassword, "6001")
			}
		}, ""},

		// Phones.
		"a strange office of 20 phones boots, and the PBX knows their accounts by the answer to the challenge only": {func(w *world) {
			for _, transport := range []string{"udp", "tcp"} {
				for range 2 { // each twice: with copies, or since the first answer is late
					for i := range 20 {
						w.see(pbx.Observation{Source: port(office, i), What: pbx.UnknownAccount, Account: fmt.Sprint(i), Transport: transport, Proved: transport == "tcp"})
					}
					w.wait(time.Second / 2)
				}
				for i := range 20 {
					w.register(port(office, i), fmt.Sprint(6000+i), time.Hour)
				}
				w.d.Forget(single(office))
				w.wait(5 * time.Minute)
			}
			for i := range w.told {
				w.told[i], _, _ = strings.Cut(w.told[i], " 60")
			}
			w.told = slices.Compact(w.told)
		}, "1 s: phone\n5 min: phone"},
		"a phone with one wrong password that its owner has typed": {func(w *world) {
			w.attempt(port(office, 0), "6001")
			w.wait(20 * time.Second)
			w.register(port(office, 0), "6001", time.Hour)
		}, "20 s: phone 6001 is at 198.51.100.7"},
		"a new phone that tries a wrong password for four minutes": {func(w *world) {
			for range 8 {
				w.attempt(port(office, 0), "6001")
				w.wait(30 * time.Second)
			}
			w.register(port(office, 0), "6001", time.Hour)
		}, "4 min: phone 6001 is at 198.51.100.7"},
		"a new phone that tries a wrong password for five hours is never out for longer than an hour": {func(w *world) {
			for range 2 * 60 * 5 {
				w.attempt(port(office, 0), "6001")
				w.wait(30 * time.Second)
			}
			for _, b := range w.bans[1:] {
				if b.For != time.Hour {
					w.t.Error(b)
				}
			}
			w.told = w.told[:2]
		}, "5 min: ban 198.51.100.7 for 10 min: 11 wrong passwords in 5 min, proved\n17 min: ban 198.51.100.7 for 1 h: 5 wrong passwords in 2 min, proved"},
		"a phone of an office whose password was changed, for a week": {func(w *world) {
			w.phones(20)
			for i := range 7 * 24 * 60 * 2 {
				w.attempt(port(office, 3), "6003")
				if i%120 == 0 {
					for p := range 20 {
						if p != 3 {
							w.register(port(office, p), fmt.Sprint(6000+p), time.Hour+time.Minute)
						}
					}
				}
				w.wait(30 * time.Second)
			}
			if n := len(w.told); n != 7 {
				w.t.Errorf("told %d times", n)
			}
			w.told = w.told[:1]
		}, "52 min: 104 wrong passwords in 52 min from 198.51.100.7, where 20 accounts are right; the last one for account 6003"},
		"a new phone of an office with a wrong password": {func(w *world) {
			w.phones(20)
			for range 50 {
				w.attempt(port(office, 30), "7000")
				w.wait(5 * time.Second)
			}
		}, ""},
		"a phone over TCP, which two sources of observations see": {func(w *world) {
			w.phones(1)
			for range 2000 {
				for range 2 {
					o := tcp(pbx.WrongPassword, "6000")
					o.Source = port(office, 1)
					w.see(o)
					w.wait(time.Millisecond)
				}
				w.wait(5 * time.Second)
			}
			for i := range w.told {
				w.told[i] = "told"
			}
		}, "told"},
		"a phone of a small office whose account is mistyped": {func(w *world) {
			w.phones(1)
			for range 100 {
				o := tcp(pbx.UnknownAccount, "7000")
				o.Source = port(office, 1)
				w.see(o)
				w.see(o)
				o.What, o.Account = pbx.WrongPassword, ""
				w.see(o)
				w.wait(5 * time.Second)
			}
		}, ""},
		"who looks for accounts from an office, without a password": {func(w *world) {
			w.phones(5)
			for i := range 20 {
				w.proved(port(office, 99), pbx.UnknownAccount, fmt.Sprint(i))
			}
		}, ""},
		"all passwords of an office are changed": {func(w *world) {
			w.phones(20)
			for range 4 {
				for i := range 20 {
					w.attempt(port(office, i), fmt.Sprint(6000+i))
				}
				w.wait(30 * time.Second)
			}
		}, ""},
		"a computer in an office that guesses": {func(w *world) {
			w.phones(20)
			for range 3 {
				for range 200 {
					w.attempt(port(office, 99), "7000")
				}
				w.wait(2 * time.Hour)
				w.register(port(office, 0), "6000", time.Hour)
				w.register(port(office, 1), "6001", time.Hour)
				w.register(port(office, 2), "6002", time.Hour)
				w.told = w.told[:len(w.told)-3]
			}
		}, "2 s: no more trust in 198.51.100.7: 22 wrong passwords in 2 s, where 20 accounts are right\n" +
			"2 s: ban 198.51.100.7 for 10 min: 22 wrong passwords in 2 s, where 20 accounts are right, proved\n" +
			"2 h: no more trust in 198.51.100.7: 21 wrong passwords in 2 s, where 3 accounts are right\n" +
			"2 h: ban 198.51.100.7 for 1 h: 21 wrong passwords in 2 s, where 3 accounts are right, proved\n" +
			"4 h: no more trust in 198.51.100.7: 21 wrong passwords in 2 s, where 3 accounts are right\n" +
			"4 h: ban 198.51.100.7 for 1 h: 21 wrong passwords in 2 s, where 3 accounts are right, proved"},
		"a proxy with many phones, and an attacker": {func(w *world) {
			w.phones(80)
			for i := range 1000 {
				w.attempt(port(office, 99), fmt.Sprint(i))
			}
		}, "1 s: 198.51.100.7 is not banned, but others would be for what it does: 10 wrong passwords for 10 accounts in 1 s, where 50 accounts or more are right\n" +
			"10 s: 101 wrong passwords in 10 s from 198.51.100.7, where 50 accounts or more are right; the last one for account 100"},
		"a phone that boots 20 times": {func(w *world) {
			for range 20 {
				w.register(port(office, 0), "6000", time.Hour)
				w.wait(time.Second)
				w.what(port(office, 0), pbx.Asked, "6000")
				w.proved(port(office, 0), pbx.Unregistered, "6000")
			}
		}, strings.TrimSpace(strings.Repeat("x: phone 6000 is at 198.51.100.7\n", 20))},
		"an office of 20 phones boots, and each has ten keys to subscribe": {func(w *world) {
			for i := range 20 {
				w.what(port(office, i), pbx.Asked, fmt.Sprint(6000+i))
			}
			for i := range 20 {
				w.register(port(office, i), fmt.Sprint(6000+i), time.Hour)
				for range 10 {
					w.see(pbx.Observation{Source: port(office, i), What: pbx.Asked, Method: "SUBSCRIBE"})
				}
			}
			w.told = nil
		}, ""},
		"a provider's pings, and its pings over TCP": {func(w *world) {
			for range 10000 {
				w.see(pbx.Observation{Source: attacker, What: pbx.Scanned, Method: "OPTIONS"})
				w.see(tcp(pbx.Scanned, ""))
				w.wait(10 * time.Second)
			}
		}, ""},
		"a phone that the PBX refuses, since its account has too many": {func(w *world) {
			for range 1000 {
				w.proved(attacker, pbx.Refused, "6001")
				w.wait(5 * time.Second)
			}
		}, ""},
		"an employee dials a number that is a trap": {func(w *world) {
			w.phones(1)
			w.see(pbx.Observation{Source: port(office, 0), What: pbx.Asked, Called: "00972595", Proved: true})
			w.see(pbx.Observation{Source: port(office, 0), What: pbx.Authenticated, Account: "6000", Called: "00972595", Proved: true})
			w.see(pbx.Observation{Source: port(office, 0), What: pbx.Asked, Called: "00972595"})
		}, "0 s: 198.51.100.7 is not banned, but others would be for what it does: asked for 00972595, a trap"},
		"a phone that is taken back and comes again after a week is a stranger": {func(w *world) {
			w.phones(1)
			w.proved(port(office, 0), pbx.Unregistered, "6000")
			w.wait(7*24*time.Hour - 2*time.Minute)
			w.wrong(port(office, 0), "1")
			w.wrong(port(office, 0), "2")
			w.wait(3 * time.Minute)
			w.wrong(port(office, 0), "1")
			w.wrong(port(office, 0), "2")
		}, "7 d: ban 198.51.100.7 for 10 min: 2 wrong passwords for 2 accounts in 1 s, proved"},
		"a right password ends no ban that is in force, but a later one counts": {func(w *world) {
			w.attempt(attacker, "6001")
			w.attempt(attacker, "6001")
			w.banned = map[source]time.Time{} // as if by "voipbl unban"
			w.register(attacker, "6001", time.Hour)
			w.wait(inFlight)
			w.register(attacker, "6001", time.Hour)
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved\n5 s: phone 6001 is at 203.0.113.66"},
		"who was let in and goes on is banned again, for as long": {func(w *world) {
			for range 2 {
				w.attempt(attacker, "6001")
				w.attempt(attacker, "6001")
				w.banned = map[source]time.Time{}
				w.wait(inFlight)
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved\n5 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved"},

		// Friends, and others.
		"a friend who guesses": {func(w *world) {
			for range 5 * 60 {
				for range 10 {
					w.wrong(netip.AddrPortFrom(exempt, 5060), "6001")
					w.what(netip.AddrPortFrom(exempt, 5060), pbx.WrongPassword, "6001")
				}
				w.wait(5 * time.Minute)
			}
		}, "0 s: 192.0.2.9 is not banned, but others would be for what it does: 3 wrong passwords in 1 s\n1 d: 192.0.2.9 is not banned, but others would be for what it does: 4 wrong passwords in 5 min"},
		"no source": {func(w *world) {
			for _, a := range []string{"127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:127.0.0.1"} {
				for range 100 {
					w.wrong(netip.AddrPortFrom(netip.MustParseAddr(a), 1), "6001")
				}
			}
			for range 100 {
				w.see(pbx.Observation{What: pbx.Lost})
				w.see(pbx.Observation{What: pbx.WrongPassword, Proved: true})
				w.see(pbx.Observation{What: "", Source: attacker, Proved: true})
			}
		}, ""},
		"IPv4 in IPv6, and with a zone": {func(w *world) {
			w.wrong(netip.MustParseAddrPort("[::ffff:203.0.113.66]:1"), "6001")
			w.wrong(attacker, "6001")
			w.wrong(netip.MustParseAddrPort("[::ffff:203.0.113.66]:1"), "6001")
			for range 3 {
				w.wrong(netip.MustParseAddrPort("[2001:db8::1%eth0]:1"), "6001")
			}
		}, "0 s: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved\n0 s: ban 2001:db8::1 for 10 min: 3 wrong passwords in 1 s, proved"},
		"two sources of observations see one failure over TCP": {func(w *world) {
			for range 2 {
				w.see(tcp(pbx.Asked, "6001"))
				w.see(tcp(pbx.WrongPassword, "6001"))
				w.see(tcp(pbx.Asked, "6001"))
				w.wait(time.Millisecond)
				w.see(tcp(pbx.WrongPassword, "6001"))
				w.wait(30 * time.Second)
			}
		}, ""},
		"AMI tells of an unknown account over TCP by several events": {func(w *world) {
			for range 3 {
				for range 2 {
					w.see(tcp(pbx.UnknownAccount, "6001"))
					w.wait(5 * time.Millisecond)
				}
				w.see(tcp(pbx.WrongPassword, "6001"))
				w.wait(30 * time.Second)
			}
		}, ""},
		"what has waited is no burst": {func(w *world) {
			w.wait(time.Hour)
			for i := range 5 {
				w.see(pbx.Observation{At: w.now.Add(time.Duration(i-5) * 30 * time.Second), Source: attacker, What: pbx.WrongPassword, Proved: true, Account: "6001"})
			}
		}, ""},
		"out of order by some milliseconds": {func(w *world) {
			w.wait(time.Hour)
			for _, ms := range []int{30, 0, 20, 10} {
				w.see(pbx.Observation{At: w.now.Add(-time.Duration(ms) * time.Millisecond), Source: attacker, What: pbx.WrongPassword, Proved: true, Account: "6001"})
			}
		}, "1 h: ban 203.0.113.66 for 10 min: 3 wrong passwords in 1 s, proved"},
		"the clock of the PBX is a day ahead, or behind": {func(w *world) {
			for _, at := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
				for range 20 {
					w.see(pbx.Observation{At: w.now.Add(at), Source: other, What: pbx.WrongPassword, Proved: true, Account: "6001"})
					w.wait(30 * time.Second)
				}
				w.wait(time.Hour)
			}
		}, "5 min: ban 203.0.113.66 for 10 min: 11 wrong passwords in 5 min, proved\n1 h: ban 203.0.113.66 for 1 h: 5 wrong passwords in 2 min, proved"},
		"the clock is set back a year during a ban, and then forth": {func(w *world) {
			w.attempt(attacker, "6001")
			w.attempt(attacker, "6001")
			w.now = w.now.Add(-365 * 24 * time.Hour)
			w.start, w.banned = w.now, map[source]time.Time{}
			w.what(other, pbx.Asked, "")
			w.wait(5 * time.Minute)
			w.wrong(other, "6001")
			w.wrong(other, "6001")
		}, "0 s: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved\n5 min: ban 203.0.113.66 for 10 min: 2 wrong passwords in 1 s, proved"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Defaults()
			s.Traps.Extensions, s.Traps.Accounts = []string{"00972595"}, []string{"admin"}
			w := newWorldWith(t, s)
			c.happens(w)
			got := w.text()
			if strings.HasPrefix(c.want, "x: ") { // at whatever time
				got = ""
				for _, line := range w.told {
					got += "\nx: " + strings.SplitN(line, ": ", 2)[1]
				}
				got = strings.TrimSpace(got)
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
