package fail2ban_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What a stranger can write at the start of a line, by a line break in text that Asterisk decodes, and
// what Asterisk writes after it.
const (
	// The user of From, in AccountID: a UUID's room (AST_UUID_STR_LEN) without its end.
	maxFromUser = 36
	behindFrom  = `",SessionID="c1@45.1.2.6",LocalAddress="IPV4/UDP/45.1.2.1/5060",RemoteAddress="IPV4/UDP/45.1.2.6/25435"`

	// The number that chan_pjsip is asked for (AST_MAX_EXTENSION), likewise.
	maxNumber    = 79
	behindNumber = `' rejected because extension not found in context 'public'.`

	injector = "45.1.2.6"
	framed   = "8.8.8.8" // no public address is shorter
)

// forgeries returns lines that an attacker would like to write about somebody else, as short as
// possible: those of attacks.log without their optional parts, and the shortest of each kind that ends
// as Asterisk's rest does.
func forgeries(t *testing.T) []string {
	lines := []string{
		`[]NOTICE[10][C-00000001] chan_sip.c: Call from '' (` + framed + `:100) to extension '9`,
		`[]NOTICE[10] res_pjsip_session.c: anonymous: Call (WS:` + framed + `:100) to extension '9`,
		`[]NOTICE[10] res_pjsip_session.c: Call from 'anonymous' (WS:` + framed + `:100) to extension '9`,
		`[]NOTICE[10] manager.c: ` + framed + ` failed to pass IP ACL as '`,
		`[]NOTICE[10] chan_iax2.c: Host ` + framed + ` failed to authenticate as x`,
		`[]SECURITY[10] res_security_log.c: SecurityEvent="InvalidAccountID",`,
	}
	for _, line := range readSample(t, "attacks.log").lines {
		_, rest, found := strings.Cut(line, "] ")
		if !found {
			continue
		}
		for _, long := range []string{"14045", "14088", "1234", "4711", "3631", "1", "7", "9"} {
			rest = strings.Replace(rest, "["+long+"]", "[10]", 1)
		}
		lines = append(lines, "[]"+rest, line)
	}
	for _, line := range lines { // of a container, in which Asterisk has a number of one digit
		if rest, found := strings.CutPrefix(line, "[]"); found {
			one := strings.Replace(rest, "[10]", "[1]", 1)
			lines = append(lines, "[]"+one, "[] "+one)
		}
	}
	return lines
}

// pieces are what random forgeries are made of.
var pieces = []string{
	"[]", "[] ", "NOTICE[10]", "SECURITY[10] ", " ", "chan_sip.c: ", "manager.c: ", "res_security_log.c: ", `SecurityEvent="`, "InvalidAccountID", `",`, `"`, "'",
	framed, "::1", " (", ") to extension '", `RemoteAddress="IPV4/UDP/` + framed + `/1"`, "Host ", " failed to authenticate as '", `Ext. s:  "`, "\t", "asterisk: ", "Nov 29 00:00:00 ", "1764374400 ",
}

// TestFilterHoldsAgainstBrokenLines: whatever a stranger writes into the room that chan_pjsip has, the
// filter finds nobody else.
func TestFilterHoldsAgainstBrokenLines(t *testing.T) {
	all := forgeries(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var text string
		for len(text) < maxNumber {
			text += pieces[rnd.IntN(len(pieces))]
		}
		all = append(all, text)
	}
	for _, place := range []struct {
		name   string
		room   int // with the line break
		behind string
		first  string
	}{
		{"From", maxFromUser, behindFrom, `[2026-11-29 05:37:07] SECURITY[14088] res_security_log.c: SecurityEvent="InvalidAccountID",EventTV="2026-11-29T05:37:07.186+0000",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="`},
		{"number", maxNumber, behindNumber, `[2026-11-29 05:37:07] NOTICE[14045] res_pjsip_session.c: anonymous: Call (UDP:45.1.2.6:5060) to extension '`},
	} {
		t.Run(place.name, func(t *testing.T) {
			lines := []string{place.first}
			for _, text := range all {
				room := min(len(text), place.room-len("\n"))
				lines = append(lines, text[:room]+place.behind)
				for n := 0; n < room && !strings.HasPrefix(text, "[2026"); n += 1 + room/8 {
					lines = append(lines, text[:n]+place.behind)
				}
			}
			lines = slices.Compact(lines)
			const all = "[mode=from]" // the expressions of both modes
			for i, addr := range found(t, logOf(t, lines...), all) {
				if addr != injector && addr != "" {
					t.Errorf("found %s in %q", addr, fields(t, logOf(t, lines...), all, "msg")[i])
				}
			}
		})
	}
}

// TestFilterRoom is the reason: there is too little room for any forgery that Asterisk's rest would
// complete. One letter more would be enough.
func TestFilterRoom(t *testing.T) {
	shortest := 1 << 10
	for _, text := range forgeries(t) {
		if !strings.Contains(text, framed) {
			continue
		}
		line := text + behindNumber
		if got := found(t, logOf(t, line), ""); got[0] == framed {
			shortest = min(shortest, len("\n")+len(text))
		}
	}
	if shortest != maxNumber+1 {
		t.Errorf("the shortest forgery of a call takes %d letters, not %d", shortest, maxNumber+1)
	}
}
