package setnames

import (
	"context"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// SetUsers lists the list:sets and rules that refer to a set, as far as they can be
// read.
func SetUsers(ctx context.Context, kernel *ipsetsync.Kernel, name string) []string {
	return append(ListUsers(kernel, name), firewall.ReadUsers(ctx).OfSet(name)...)
}

// ListUsers lists the list:sets that a set is a member of.
func ListUsers(kernel *ipsetsync.Kernel, name string) []string {
	var users []string
	if lists, err := kernel.Lists(name); err == nil {
		for _, l := range lists {
			users = append(users, "list:set "+l)
		}
	}
	return users
}

// OtherUsers lists the list:sets and rules of other programs that refer to a set.
func OtherUsers(kernel *ipsetsync.Kernel, rules *firewall.Users, name string) []string {
	return append(ListUsers(kernel, name), rules.ForeignOfSet(name)...)
}
