package banlist

import (
	"bytes"
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
// widest are the shortest prefix lengths that bans may have, by family.
func DecodeOld(text []byte, now Clock, widest [2]int) (*Table, error) {
	var old struct {
		Bans []Ban `json:"bans"`
	}
	err := json.Unmarshal(text, &old)
	if err != nil {
		old.Bans = salvaged(text, now, widest)
	}
	t := NewTable()
	var spoilt, first int // how many bans, and the number of the first
	for i, b := range old.Bans {
		masked := b.Prefix.Masked()
		if !Possible(b.Prefix) || masked != b.Prefix {
			if spoilt++; spoilt == 1 {
				first = i + 1
			}
		}
		if !Possible(b.Prefix) {
			continue
		}
		if masked != b.Prefix { // none was written so: its length is damaged
			b.Prefix = alone(b.Prefix)
		}
		b.Prefix = cidr.FromNetip(b.Prefix).Netip()
		if !b.Until.IsZero() {
			b.For = max(b.Until.Sub(b.At), time.Second)
		}
		t.restore(b, Clock{Wall: b.Until}, now, Clock{Wall: now.Wall})
	}
	if spoilt > 0 {
		err = errors.Join(err, fmt.Errorf("the prefix of %d of its bans is damaged, the first is number %d", spoilt, first))
	}
	return t, err
}

var (
	oldBan    = regexp.MustCompile(`\{[^{}]*\}?`) // one has no braces in it
	oldPrefix = regexp.MustCompile(`"prefix"\s*:\s*"([^"]*)"`)
)

// salvaged are the bans in a text that is no JSON value as a whole. None of them blocks
// more than was banned: of one that cannot be read as a whole, and of one that is wider
// than bans may be, it is the address alone, as the digits of the length may be damaged.
func salvaged(text []byte, now Clock, widest [2]int) (bans []Ban) {
	for len(bans) < Most {
		at := oldBan.FindIndex(text)
		if at == nil {
			break
		}
		part := text[at[0]:at[1]]
		text = text[at[1]:]
		if !bytes.Contains(part, []byte(`"prefix"`)) {
			continue
		}
		var b Ban
		if json.Unmarshal(part, &b) == nil {
			if Possible(b.Prefix) && b.Prefix.Bits() < widest[cidr.FromNetip(b.Prefix).Family()] {
				b.Prefix = alone(b.Prefix)
			}
			bans = append(bans, b)
			continue
		}
		if m := oldPrefix.FindSubmatch(part); m != nil {
			if p, err := netip.ParsePrefix(string(m[1])); err == nil {
				if p.Masked() != p || p.Bits() != 64 {
					p = alone(p)
				}
				bans = append(bans, New(p, Half, 0, now))
			}
		}
	}
	return bans
}

// alone is the address of a prefix.
func alone(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
}
