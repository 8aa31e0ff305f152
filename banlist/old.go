package banlist

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// DecodeOld reads the list as it was kept before there was a journal: one JSON value,
// with the wall clock alone. Of one that is damaged it returns what can be read, with the
// error; a ban of which that is the address alone has no end, and the reason [Half].
func DecodeOld(text []byte, now Clock) (*Table, error) {
	var old struct {
		Bans []Ban `json:"bans"`
	}
	err := json.Unmarshal(text, &old)
	if err != nil {
		old.Bans = salvaged(text, now)
	}
	t := NewTable()
	for i, b := range old.Bans {
		if !Possible(b.Prefix) {
			err = errors.Join(err, fmt.Errorf("its ban number %d has no address", i+1))
			continue
		}
		b.Prefix = cidr.FromNetip(b.Prefix).Netip()
		if !b.Until.IsZero() {
			b.For = max(b.Until.Sub(b.At), time.Second)
		}
		t.restore(b, Clock{Wall: b.Until}, now, Clock{Wall: now.Wall})
	}
	return t, err
}

// salvaged are the bans in a text that is no JSON value as a whole. Such a ban has no
// braces in it.
func salvaged(text []byte, now Clock) (bans []Ban) {
	one := regexp.MustCompile(`\{[^{}]*\}?`)
	prefix := regexp.MustCompile(`"prefix"\s*:\s*"([^"]*)"`)
	for _, part := range one.FindAll(text, -1) {
		var b Ban
		if json.Unmarshal(part, &b) == nil {
			bans = append(bans, b)
			continue
		}
		if m := prefix.FindSubmatch(part); m != nil {
			if p, err := netip.ParsePrefix(string(m[1])); err == nil {
				bans = append(bans, New(p, Half, 0, now))
			}
		}
	}
	return bans
}
