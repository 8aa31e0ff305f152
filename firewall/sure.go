package firewall

import (
	"context"
	"errors"
)

// errListings is listings that others' changes have spoilt, each time.
var errListings = errors.New("another program changes the firewall all the time: no two listings of it are the same")

// ReadSure reads until two listings in a row are the same, for whoever changes the
// rules by what it says: a listing of several tables is of several moments, if others
// change rules in its midst, and what is moved between them would be missed.
func (fw *Firewall) ReadSure(ctx context.Context) ([2]*Saved, error) {
	last, err := fw.Read(ctx)
	for i := range attempts {
		if err != nil {
			return last, err
		}
		if i > 0 && !pause(ctx, readPause) {
			return last, ctx.Err()
		}
		var now [2]*Saved
		if now, err = fw.Read(ctx); err == nil && now[IPv4].sameRules(last[IPv4]) && now[IPv6].sameRules(last[IPv6]) {
			return now, nil
		}
		last = now
	}
	if err == nil {
		err = errListings
	}
	return last, err
}
