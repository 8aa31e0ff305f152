package asterisk

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/distinct"
	"github.com/voipbl/voipbl/internal/probe"
)

// contacts asks a running Asterisk, through its control socket, for the addresses from which phones
// are registered. Asterisk reports what the phones have said: for a phone behind NAT that is the
// router's address only with "rewrite_contact" (chan_sip: "nat").
func contacts(l *probe.Look, oldSIP bool) []netip.Addr {
	addrs := []netip.Addr{}
	if !l.Real() || !l.Running("asterisk") {
		return addrs
	}
	asterisk := l.Program("asterisk")
	if asterisk == "" {
		return addrs
	}
	ask := func(family string) string {
		out, _, err := l.Run(asterisk, "-rx", "database show "+family)
		l.Unknown("from where phones are registered", err,
			"run it as root or as Asterisk's user; "+filepath.Base(asterisk)+" -rx 'database show "+family+"' has to answer")
		return out
	}
	addrs = append(addrs, pjsipContacts(ask("registrar/contact"), time.Now())...)
	if oldSIP {
		addrs = append(addrs, sipContacts(ask("SIP/Registry"))...)
	}
	return distinct.Of(addrs)
}

// databaseValue returns the value of a line "/family/key   : value" that Asterisk prints. Keys are
// padded and contain no ": ".
func databaseValue(line, family string) (string, bool) {
	if !strings.HasPrefix(line, "/"+family+"/") {
		return "", false
	}
	_, value, ok := strings.Cut(line, ": ")
	return strings.TrimSpace(value), ok
}

// pjsipContacts parses "database show registrar/contact", which has each phone as JSON
// (res/res_pjsip/location.c). It skips expired contacts; an expiry of 0 means never.
func pjsipContacts(out string, now time.Time) []netip.Addr {
	var addrs []netip.Addr
	for line := range strings.Lines(out) {
		value, ok := databaseValue(line, "registrar/contact")
		if !ok {
			continue
		}
		var c struct {
			URI     string      `json:"uri"`
			Via     string      `json:"via_addr"`
			Expires json.Number `json:"expiration_time"`
		}
		if json.Unmarshal([]byte(value), &c) != nil {
			continue
		}
		if expires, err := c.Expires.Int64(); err == nil && expires > 0 && expires < now.Unix() {
			continue
		}
		// Asterisk escapes some characters of the URI, such as ";" as "^3B".
		uri := strings.NewReplacer("^3B", ";", "^3b", ";").Replace(c.URI)
		for _, host := range []string{uriHost(uri), c.Via} {
			if a, ok := phone(host); ok {
				addrs = append(addrs, a)
				break
			}
		}
	}
	return addrs
}

// sipContacts reads "database show SIP/Registry":
// "/SIP/Registry/NAME : ADDRESS:PORT:EXPIRY:USER:CONTACT".
func sipContacts(out string) []netip.Addr {
	var addrs []netip.Addr
	for line := range strings.Lines(out) {
		value, ok := databaseValue(line, "SIP/Registry")
		if !ok {
			continue
		}
		end := strings.IndexByte(value, ':')
		if strings.HasPrefix(value, "[") {
			end = strings.IndexByte(value, ']') + 1
		}
		if end > 0 {
			if a, ok := phone(value[:end]); ok {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// phone parses the address of a contact, with or without a port.
func phone(host string) (netip.Addr, bool) {
	host, _, err := splitPort(host)
	if err != nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	a = a.Unmap()
	return a, err == nil && !a.IsLoopback() && !a.IsUnspecified() && a.Zone() == ""
}
