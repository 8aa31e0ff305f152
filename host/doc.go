// Package host looks at this machine and its network: addresses, routes, gateways and resolvers,
// listening ports and their programs, tunnels, and other programs that manage the firewall.
//
// It only looks and changes nothing. It does not look at logins (package logins does) or at the
// rules of the firewall (packages firewall, nft and reach do). advise, survey, exempt, lockout,
// reach, rules and others import it. It stands on internal/probe.
package host
