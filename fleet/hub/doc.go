// Package hub is one host's connection with the hub of the fleet, a nats-server: it reads what all
// hosts say of their bans, and says this host's own. [Keep] runs on the hub, and keeps the stream in
// which all of it is.
//
// The stream has one message a slot: a host's word on a part of the addresses. What a host says anew
// replaces what it has said, so the stream is what all hosts say now. It is read by sequence: at
// first all of it, then what is new, and after a lost connection what has come meanwhile.
//
// The hub is a cache. It may lose the stream, or come back with one of yesterday. So a reader notices
// if the stream does not continue what it has read (see [tail]), reads all of it again, and says again
// what the stream does not have of its own.
package hub
