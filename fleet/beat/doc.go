// Package beat is how each host of a fleet tells the hub how it is: its heartbeat, and what of it needs a
// look. It is pure: package fleet/hub carries the messages, and times are arguments.
//
// Only the operator reads heartbeats. They have no addresses and no times of day, only ages, so that no
// clock has to be right; when one was sent, the hub's time stamp says. Whoever breaks into a host can say
// what it likes of that host, and of no other: so texts of a heartbeat are bounded and printable, numbers
// are what they can be, and problems are words of a list ([Words]), not sentences.
package beat
