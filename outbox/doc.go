// Package outbox reports attackers to VoIPBL: addresses that this host has banned, and those
// that it has unbanned. It does not ban anybody: fail2ban and package bans do. cmd/voipbl, agent,
// blocklist and show import it. It stands on exempt, so that no exempt address is reported.
//
// A [Box] is a value. Its methods decide what is sent now, later or never, from the time that
// they are given and without side effects. [Client.Send] makes the one network request.
// [ReportAttacker] is the command, and [NewSender] sends what waits. Both keep to this order:
// Box.begin takes an entry, the box is written to disk, the request is sent, Box.finish takes
// the result, the box is written again. If the process is killed in between, a report may be
// sent twice, but never more requests than allowed.
package outbox
