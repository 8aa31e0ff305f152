package firewall

import (
	"cmp"
	"context"
	"errors"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// changingError says that each listing was spoilt by other programs' changes.
type changingError struct{}

func (changingError) Error() string {
	return "another program changes the firewall all the time: no two listings of it are the same"
}

// Remedy says what to do about it.
func (changingError) Remedy() string { return nft.ErrChanging.Remedy() }

var errListings changingError

// ReadSure lists rules until no rule has changed during a listing. Use it before changing rules:
// while other programs change rules, a listing of several tables mixes several moments, and
// misses what is moved between tables. If the kernel cannot tell, two listings in a row have to
// be the same.
func (fw *Firewall) ReadSure(ctx context.Context) ([2]*iptables.Saved, error) {
	var unread error // why a family could be listed only some of the times
	last, err := fw.Read(ctx)
	for i := range attempts {
		if err != nil || fw.holds(last) {
			return last, err
		}
		if i > 0 && !pause(ctx, readPause) {
			return last, ctx.Err()
		}
		var now [2]*iptables.Saved
		if now, err = fw.Read(ctx); err == nil && now[iptables.IPv4].SameRules(last[iptables.IPv4]) && now[iptables.IPv6].SameRules(last[iptables.IPv6]) {
			return now, nil
		}
		for _, f := range iptables.Families {
			if trouble := errors.Join(last[f].Unknown(), now[f].Unknown()); isShortage(trouble) {
				unread = trouble
			}
		}
		last = now
	}
	if err == nil {
		err = cmp.Or(unread, error(errListings))
	}
	return last, err
}

// holds reports whether the kernel says that no rule has changed during the listing or since.
func (fw *Firewall) holds(saved [2]*iptables.Saved) bool {
	now := fw.Generation()
	for _, s := range saved {
		if !s.Absent && (s.Trouble != nil || s.Generation == "" || s.Generation != now) {
			return false
		}
	}
	return true
}
