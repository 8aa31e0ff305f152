// Package host looks at the machine that voipbl runs on, and at its network: addresses,
// routes, gateways and resolvers, who listens on which port, tunnels, and which other
// programs look after the firewall.
//
// It only looks: nothing is changed. Who is logged in is told by package logins, and all that
// is known about the machine by package survey. What the firewall's rules are is the business
// of packages firewall and reach.
package host
