// Package exempt knows who is never blocked, and why: trunks, local networks, what an admin
// allows in the file or by hand, this host with its gateways and name servers, the sources
// of lists, and whoever is logged in.
//
// [Gather] puts all of them together. It resolves names by package dns and keeps their last
// answers; it neither fetches lists nor asks the kernel for sets or rules.
package exempt
