package banlist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// DecodeOld reads the format from before the journal: one JSON value, with times by the
// wall clock only. From a damaged list it returns the readable bans with an error. If
// only the address of a ban is readable, it has no end and the reason [Half]. widest are
// the shortest prefix lengths that bans may have, by family.
func DecodeOld(text []byte, now Clock, widest [2]int) (*Table, error) {
	var old struct {
		Bans []Ban `json:"bans"`
	}
	err := json.Unmarshal(text, &old)
	if err != nil {
		old.Bans = salvaged(text, now, widest)
	}
	t := NewTable()
	var spoilt, first int // number of damaged bans, and the index of the first
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
		if masked != b.Prefix { // the length is damaged: bans were written without host bits
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
	oldBan    = lazyregexp.New(`\{[^{}]*\}?`) // a ban contains no braces
	oldPrefix = lazyregexp.New(`"prefix"\s*:\s*"([^"]*)"`)
)

// salvaged returns the bans in a text that is not valid JSON. None of them blocks more
// than was banned: of a ban that is not readable as a whole, or is wider than bans may
// be, only the address is taken, because the digits of the length may be damaged.
func salvaged(text []byte, now Clock, widest [2]int) (bans []Ban) {
	for len(bans) < Most {
		at := oldBan().FindIndex(text)
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
		if m := oldPrefix().FindSubmatch(part); m != nil {
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

// alone returns the address of a prefix.
func alone(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
}
