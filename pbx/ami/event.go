package ami

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/pbx"
)

// Events of the class security that say something about a source. Each has the [common] fields, and
// then its own.
var security = map[string][]string{
	"ChallengeSent":           {"Challenge"},
	"ChallengeResponseFailed": {"Challenge", "Response", "ExpectedResponse"},
	"InvalidAccountID":        nil,
	"InvalidPassword":         nil,
	"FailedACL":               nil,
	"SuccessfulAuth":          {"UsingPassword"},
}

// common are the fields of each event of the class security, in this order. A stranger can break the
// value of AccountID by 36 letters. There is no room for those before it, and any field that is
// added stands between these.
var common = []string{"EventTV", "Severity", "Service", "EventVersion", "AccountID", "SessionID", "LocalAddress", "RemoteAddress"}

// optional are fields that Asterisk puts before the others if it is so configured.
var optional = []string{"Timestamp", "SequenceNumber", "File", "Line", "Func", "SystemName"}

// event is an event of the class security that says something about a source.
type event struct {
	whole     bool // all parts are in their places
	name      string
	service   string // "PJSIP", or "AMI"
	account   string
	session   string // the Call-ID
	source    netip.AddrPort
	transport string
	password  bool   // of SuccessfulAuth: it was by a password
	acl       string // of FailedACL: which one

	challenge, response string // of ChallengeResponseFailed: what the request had, genuine or not
}

// genuine returns whether a message is an event that Asterisk has written: after its name comes
// its class, for which a stranger who has begun a message with a name has no room left.
func (m message) genuine() bool {
	if m.broken || !m.is("Event") || len(m.fields) < 2 || m.fields[1].key != "Privilege" {
		return false
	}
	class := m.fields[1].value
	if _, ok := security[m.fields[0].value]; ok {
		return class == "security,all"
	}
	return class == "security,all" || class == "system,all"
}

// rest returns the fields that are the event's own.
func (m message) rest() []field {
	if len(m.fields) < 2 {
		return nil
	}
	fields := m.fields[2:]
	for len(fields) > 0 && slices.Contains(optional, fields[0].key) {
		fields = fields[1:]
	}
	return fields
}

// service returns what an event is about: "PJSIP", "AMI", or "SIP". It is also that of a broken
// message, since it stands before what a stranger can break.
func (m message) service() string {
	if !m.is("Event") || len(m.fields) < 2 || m.fields[1] != (field{"Privilege", "security,all"}) {
		return ""
	}
	fields, before := m.rest(), slices.Index(common, "Service")
	for i, key := range common[:before+1] {
		if i == len(fields) || fields[i].key != key {
			return ""
		}
	}
	return fields[before].value
}

// security returns the event of the class security that a message is, or false if it is none that
// is of interest.
func (m message) security() (event, bool) {
	if !m.is("Event") {
		return event{}, false
	}
	name := m.fields[0].value
	own, known := security[name]
	if !known {
		return event{}, false
	}
	fields, order := m.rest(), slices.Concat(common, own)
	value := make(map[string]string, len(order))
	whole := m.genuine() && len(fields) >= len(order)
	for i := 0; i < len(order) && whole; i++ {
		whole = fields[i].key == order[i]
		value[order[i]] = fields[i].value
	}
	source, transport, ok := parseAddress(value["RemoteAddress"])
	return event{
		whole: whole && ok, name: name, service: value["Service"], account: value["AccountID"], session: value["SessionID"],
		source: source, transport: transport, password: value["UsingPassword"] == "1", acl: m.get("ACLName"),
		challenge: value["Challenge"], response: value["Response"],
	}, true
}

// parseAddress parses an address such as IPV4/UDP/192.0.2.1/5060.
func parseAddress(s string) (a netip.AddrPort, transport string, ok bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 || parts[0] != "IPV4" && parts[0] != "IPV6" {
		return a, "", false
	}
	transport = strings.ToLower(parts[1])
	addr, err := netip.ParseAddr(parts[2])
	port, err2 := strconv.ParseUint(parts[3], 10, 16)
	if transport == parts[1] || !slices.Contains(pbx.Transports[:], transport) || err != nil || err2 != nil {
		return a, "", false
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port)), transport, true
}
