package keys

import (
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/fleet"
)

// IsKey reports whether a word is the public key of a host, and no name.
func IsKey(word string) bool { return nkeys.IsValidPublicUserKey(word) }

// RevokeKey takes one credential back, for good, whether or not its host is known. name is what the operator has
// signed for it, if anybody has seen that; else "". It reports whether that is new. The server has to be told
// ([Operator.Server]).
func (o *Operator) RevokeKey(key string, name fleet.Name, now time.Time) bool {
	if i := slices.IndexFunc(o.Hosts, func(h Host) bool { return h.Key == key }); i >= 0 {
		if !o.Hosts[i].Revoked.IsZero() {
			return false
		}
		o.Hosts[i].Revoked = now.UTC().Truncate(time.Second)
		o.cutRelays(key)
		return true
	}
	if slices.Contains(o.Strangers, key) {
		return false
	}
	o.Strangers = append(o.Strangers, key)
	if i := slices.IndexFunc(o.Relays, func(r Relay) bool { return r.Key == key }); i >= 0 {
		o.cutRelay(i)
		return true
	}
	// A host that this file does not know. The relay of its site may have a newer credential than that in it, which
	// names the key.
	for i, r := range o.Relays {
		if name == "" || r.Site == name.Site() {
			o.cutRelay(i)
		}
	}
	return true
}

// Regain takes over what a configuration of the server has revoked and the operator's file has not: an old
// copy of the file that was put back must admit nobody again. It returns those keys. A configuration that
// this operator has not signed says nothing.
func (o *Operator) Regain(config string, now time.Time) (keys []string, err error) {
	operator, err := public(o.Key)
	if err != nil {
		return nil, err
	}
	members, err := public(o.Members.Key)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(config) {
		account, token, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if account != members {
			continue
		}
		claims, err := jwt.DecodeAccountClaims(strings.TrimSpace(token)) // also verifies the signature
		if err != nil || claims.Issuer != operator || claims.Subject != members {
			continue
		}
		for key := range claims.Revocations {
			if IsKey(key) && o.RevokeKey(key, "", now) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	slices.Sort(o.Strangers) // the same text for the same keys
	return keys, nil
}

// NameOf is the name of the host that has, or had, a key; "" if the file does not know it.
func (o *Operator) NameOf(key string) string {
	for _, h := range o.Hosts {
		if h.Key == key {
			return h.Name.String()
		}
	}
	return ""
}
