// Package exempt collects the addresses that are never blocked, with the reasons: trunks,
// local networks, hosts that an admin has allowed in the file or by hand, this host with
// its gateways and name servers, the sources of lists, and hosts with a login session.
//
// [Gather] puts them together. The package resolves names through package dns and keeps
// their history. It does not fetch lists, and does not read or change sets or rules. All
// packages that block, ban or report use it; it stands on allowlist, dns, host, logins and
// state.
package exempt
