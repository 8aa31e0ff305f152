package agent

import (
	"context"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// setUsers names the lists and rules that refer to a set, as far as they can be listed.
func setUsers(ctx context.Context, kernel *ipsetsync.Kernel, name string) []string {
	return append(listUsers(kernel, name), firewall.ReadUsers(ctx).OfSet(name)...)
}

// listUsers names the lists that a set is a member of.
func listUsers(kernel *ipsetsync.Kernel, name string) []string {
	var users []string
	if lists, err := kernel.Lists(name); err == nil {
		for _, l := range lists {
			users = append(users, "list:set "+l)
		}
	}
	return users
}

// otherUsers names the lists and rules that refer to a set, without rules of our own.
func otherUsers(kernel *ipsetsync.Kernel, rules *firewall.Users, name string) []string {
	return append(listUsers(kernel, name), rules.ForeignOfSet(name)...)
}
