// Package fleet is what the hosts of a fleet tell each other, and which of it counts: names of
// hosts, messages, what all hosts have said, and the policy. It is pure: package fleet/hub carries
// the messages, and times are arguments.
//
// # Messages
//
// A host says its bans in [Slots] messages, one for each slot, and an address belongs to one slot.
// The hub keeps the last message of each. So what a host can occupy there is bounded, a message
// that comes late or twice does no harm, and a ban that a slot does not name any more has been
// taken back. There are no times of day in a message, only ages and times left. A reader counts them
// from the hub's time stamp, which it turns into its own uptime at once: so no clock that is set later,
// a host's or the hub's, ends or prolongs a ban.
//
// # What counts
//
// Whoever breaks into one host of the fleet can say what it likes. These rules bound the harm:
//
//   - Only single addresses of the Internet count; over IPv6, networks /64, which are one customer's.
//     One wrong ban cuts off one host, never a network. A private address is another host's on each
//     network, so it is nobody else's business.
//   - A ban ends when the host has said, but no later than [Policy.Longest] after it was made. The
//     time of making counts, not that of hearing: or a host that says the same ban for a year would
//     keep it in force for that year.
//   - Of one host, the newest [Policy.PerHost] bans count. The newest, since those are of present
//     attackers. Whoever floods has pushed out only its own word. And whoever is banned with hundreds of
//     addresses of one network pushes out few bans of others (see [Foremost]).
//   - What a host's message has no room for any more is not taken back: it counts until its end, as if the
//     host still said it, and takes no place of what the host says. Of these, as many count at most.
//   - The word of a host in [Policy.Revoked] does not count. It is heard all the same: if the operator
//     takes that back, it counts at once.
//   - The word of a host in [Policy.Trust] counts alone. Of others, [Policy.Agree] different sites
//     must say the same: sites, since whoever has one host of a site soon has the others.
//   - An agreement ends when too few still say so, not when the last one falls silent: or one site
//     could prolong what two have agreed upon.
//   - This host's own word counts for an agreement, but somebody else must say it, too: its own bans
//     are in force anyway.
//   - With [Policy.Proved], only bans of attackers count who have proved that their packets are their
//     own. Anybody can send packets with the address of a third party, and so have it banned on many
//     hosts.
//   - At most [Policy.Most] bans count, the newest: a fleet that is flooded fills no host.
//
// # Before the hub has been heard
//
// What is in force here from before counts until its hosts say otherwise or it ends (see
// [Heard.Carry]), and so does what was heard before the hub lost its store ([Heard.NewStream]). So
// neither a restart of this process nor one of the hub opens anything.
package fleet
