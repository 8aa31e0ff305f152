// Package blocklist blocks what the lists name, once: [Sync] fetches the lists, takes out exempt
// addresses, fills the kernel's sets and makes sure that rules drop their members. [Check] and
// [ReadStatus] report what is blocked, [Allow] exempts hosts, and [Remove] takes everything out.
//
// It does not repeat anything: the agent does that. It prints nothing: it returns values with
// JSON names. It stands on feeds, exempt, bans and rules for decisions, and on ipsetsync and
// firewall for the kernel.
package blocklist
