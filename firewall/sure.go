package firewall

import (
	"cmp"
	"context"
	"errors"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// changingError is listings that others' changes have spoilt, each time.
type changingError struct{}

func (changingError) Error() string {
	return "another program changes the firewall all the time: no two listings of it are the same"
}

// Remedy says what to do about it.
func (changingError) Remedy() string { return nft.ErrChanging.Remedy() }

var errListings changingError

// ReadSure reads until nobody has changed a rule meanwhile, for whoever changes the rules by
// what it says: a listing of several tables is of several moments, if others change rules in
// its midst, and what is moved between them would be missed. Where the kernel cannot tell
// that, two listings in a row have to be the same.
func (fw *Firewall) ReadSure(ctx context.Context) ([2]*iptables.Saved, error) {
	var unread error // why a family could be listed one time and not the other
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

// holds reports whether the kernel says that the rules are still those of a listing, and were
// all the time that it took.
func (fw *Firewall) holds(saved [2]*iptables.Saved) bool {
	now := fw.Generation()
	for _, s := range saved {
		if !s.Absent && (s.Trouble != nil || s.Generation == "" || s.Generation != now) {
			return false
		}
	}
	return true
}
