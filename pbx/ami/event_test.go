package ami

import (
	"strings"
	"testing"
)

// TestEvents has an event in all forms that are nearly right.
func TestEvents(t *testing.T) {
	for name, c := range map[string]struct {
		text               string
		genuine, is, whole bool
		service            string
	}{
		"right":                        {challengeSent, true, true, true, "PJSIP"},
		"more fields":                  {securityEvent("ChallengeSent", "Challenge: ", "Module: x"), true, true, true, "PJSIP"},
		"what Asterisk may add":        {change("Privilege: security,all", "Privilege: security,all", "Timestamp: 1.2", "SequenceNumber: 1", "File: x", "Line: 1", "Func: x", "SystemName: x"), true, true, true, "PJSIP"},
		"another field there":          {change("Privilege: security,all", "Privilege: security,all", "Time: 1.2"), true, true, false, ""},
		"of no interest":               {securityEvent("RequestNotSupported", "RequestType: x"), true, false, false, "PJSIP"},
		"of the system":                {lines("Event: Shutdown", "Privilege: system,all"), true, false, false, ""},
		"of calls":                     {lines("Event: Hangup", "Privilege: call,all"), false, false, false, ""},
		"of no class":                  {lines("Event: Shutdown"), false, false, false, ""},
		"an answer":                    {lines("Response: Success", "Privilege: system,all"), false, false, false, ""},
		"another class":                {change("Privilege: security,all", "Privilege: system,all"), false, true, false, ""},
		"the class twice":              {change("EventTV: 2026-11-28T22:41:52.829+0000", "Privilege: security,all"), false, true, false, ""},
		"a field is missing":           {change("SessionID: c1"), true, true, false, "PJSIP"},
		"the last field is missing":    {securityEvent("ChallengeSent"), true, true, false, "PJSIP"},
		"a field of an earlier part":   {change("Severity: Informational"), true, true, false, ""},
		"a field between":              {change("SessionID: c1", "x: y", "SessionID: c1"), true, true, false, "PJSIP"},
		"two fields in another order":  {change("SessionID: c1", "LocalAddress: x", "SessionID: c1"), false, true, false, "PJSIP"},
		"the service first":            {change("EventTV: 2026-11-28T22:41:52.829+0000", "Service: SIP", "EventTV: 1"), false, true, false, ""},
		"no address":                   {change("RemoteAddress: IPV4/UDP/8.8.8.8/5060", "RemoteAddress: x"), true, true, false, "PJSIP"},
		"a line feed":                  {change("Challenge: ", "Challenge: \nx: y"), false, true, false, "PJSIP"},
		"a line without a colon":       {change("Challenge: ", "Challenge: ", "x"), false, true, false, "PJSIP"},
		"another service":              {change("Service: PJSIP", "Service: SIP"), true, true, true, "SIP"},
		"cut after the service's name": {lines("Event: ChallengeSent", "Privilege: security,all", "EventTV: 1", "Severity: 1"), true, true, false, ""},
		"cut after the service":        {lines("Event: ChallengeSent", "Privilege: security,all", "EventTV: 1", "Severity: 1", "Service: SIP"), true, true, false, "SIP"},
	} {
		m := messages(t, []byte(c.text))
		if len(m) != 1 {
			t.Errorf("%s: %d messages", name, len(m))
			continue
		}
		e, is := m[0].security()
		if g, s := m[0].genuine(), m[0].service(); g != c.genuine || is != c.is || e.whole != c.whole || s != c.service {
			t.Errorf("%s: genuine %v, of interest %v, whole %v, service %q", name, g, is, e.whole, s)
		}
	}
}

// change returns an event with other lines in the place of one.
func change(line string, by ...string) string {
	changed := strings.Replace(challengeSent, line+"\r\n", strings.Join(append(by, ""), "\r\n"), 1)
	if changed == challengeSent {
		panic("there is no line " + line)
	}
	return changed
}
