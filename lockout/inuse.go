package lockout

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Use is that an address uses a listener now.
type Use struct {
	Proto string // "tcp" or "udp"
	Port  uint16
	From  netip.Addr
}

// maxUsers is how many users of a listener are named.
const maxUsers = 8

// InUse notes who uses the closed listeners and would not be let in again. A connection that is there
// goes on, since the base rules let in answers; the next one does not come in.
func InUse(closed []Closed, uses []Use) {
	for i, c := range closed {
		var users []netip.Addr
		for _, u := range uses {
			open := func(p netip.Prefix) bool { return p.Contains(u.From) }
			if u.Proto == c.Proto && u.Port == c.Port && c.takes(u.From) && !u.From.IsLoopback() && !slices.ContainsFunc(c.OpenTo, open) {
				users = append(users, u.From)
			}
		}
		slices.SortFunc(users, netip.Addr.Compare)
		users = slices.Compact(users)
		shown := min(len(users), maxUsers)
		closed[i].Users, closed[i].MoreUsers = users[:shown:shown], len(users)-shown
	}
}

// takes reports whether packets of an address can reach the listener.
func (c Closed) takes(from netip.Addr) bool {
	f := iptables.IPv4
	if from.Is6() {
		f = iptables.IPv6
	}
	return slices.Contains(families(c.Addr), f)
}

// UsersWords says who uses the listener now; "" if nobody does.
func (c Closed) UsersWords() string {
	if len(c.Users) == 0 {
		return ""
	}
	var all []string
	for _, u := range c.Users {
		all = append(all, u.String())
	}
	words := fmt.Sprintf("%s is in use now by %s", c.Place(), strings.Join(all, ", "))
	if c.MoreUsers > 0 {
		words += fmt.Sprintf(" and %d more", c.MoreUsers)
	}
	return words
}
