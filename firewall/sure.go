package firewall

import (
	"context"
	"errors"
)

// errListings is two listings in a row that were never the same.
var errListings = errors.New("another program changes the firewall all the time: no two listings of it are the same")

// ReadSure reads until two listings in a row are the same, for whoever changes the
// rules by what it says. A tool of iptables shows a chain as empty, and ends well,
// if the kernel has no memory to list its rules in that moment (seen with 1.8.9);
// rules that were not shown would be taken for missing, or taken out.
func (fw *Firewall) ReadSure(ctx context.Context) ([2]*Saved, error) {
	last, err := fw.Read(ctx)
	for range attempts {
		if err != nil {
			return last, err
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
