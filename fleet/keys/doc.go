// Package keys is who may do what at the hub of a fleet: the operator's file with all private keys, the
// credentials of hosts and of the users on the hub, the configuration of the hub's nats-server, the
// certificates. It has their texts as values, and uses no files and no network.
//
// # Accounts
//
// A subject, and so everything that a host says or asks for, is in one of the server's accounts. Hosts
// are in HOSTS. The streams of all bans and of all heartbeats are in STREAMS, where only the keeper and the
// operator have users. What crosses the border is this:
//
//   - HOSTS exports the subjects of the slots and heartbeats as streams of messages, and STREAMS imports them. The
//     server never passes an answer on by such an import, only what a client has published. So a host
//     cannot have an answer or a message of the stream delivered into another host's slot, as it could
//     if slots were a service with answers, or if the hosts were in the stream's account: it would ask
//     for its own message with "v1.ban.victim.0" as the subject for the answer.
//   - STREAMS exports four requests to JetStream (form of the stream; make, end and read a consumer)
//     below [APIPrefix], and HOSTS imports them. They are one service: the server makes no request of
//     an answer by the same service, so an answer that is to go to "fleet.api…" ends there. Were they
//     several, a host could have its own messages delivered as requests for another's messages.
//     They get JetStream's names by a mapping in STREAMS, not by the import: nats-server 2.9.10 dies of
//     an answer that comes to an import with other names for wildcards.
//
// Of the stream of heartbeats, hosts can ask nothing: no request for it crosses the border.
//
// A stream must acknowledge no message ("no_ack"). An acknowledgement would be published in STREAMS,
// by the server itself, at the subject that the message names for answers: "$JS.API.STREAM.PURGE.FLEET"
// there would end everybody's bans. A host knows that the stream has its message when it reads
// that, as all others do, by its own consumer.
//
// A consumer has its host's public key as its name ([Creds.Consumer]). It is a secret of the host and
// the hub, although no key depends on it: who knows it can make a consumer of its own send to
// "$JS.API.CONSUMER.MSG.NEXT.FLEET.NAME", which takes messages away from the other host. Hosts cannot
// list consumers. Nothing else is reached by a consumer that sends by itself: it sends in STREAMS, where
// no host listens; the server refuses one that sends to the stream's own subjects; and what one sends
// to "$JS.API.STREAM…" arrives there under its own subject, and so as no request.
//
// # Lists
//
// Mirrors are hosts whose credential was signed by another key, which gives them three more subjects to
// publish at: what they say of a list from the network, the list, and a request for which lists the hub has. All
// hosts read the last message of such a subject by a request that needs no consumer ("DIRECT.GET"), by the same
// service. Whoever has a mirror's credential gives all hosts that take lists one that their own judge lets
// through, can say so by the name of another mirror, and can fill the stream of lists, which has room for so many
// messages and no more; it has no other right than a host.
//
// # Relays
//
// A relay is a server between the hub and the hosts of a site ([Relay]). The hub admits it as a user of an account
// of its own, whose credential names its hosts. Debian's server of the relay holds itself to that credential, so a
// host of another site that comes to it reaches nothing. The hub's server does not look whether it does, so this
// is not what the hub relies on. Whoever has the credential and speaks the protocol of leaf nodes is alone in
// the account, and of what is said there STREAMS imports only the slots and heartbeats of the relay's hosts, by
// name, and lists if one of them is a mirror. Of other relays, their loops and their connections it sees nothing,
// and what the server tells each account of its own connections names no host at the hub.
//
// The account imports the requests that its relay may make, each by itself. In it nobody has rights that tie a name to
// a key, so by all requests as one service, as HOSTS has them, a relay could make consumers by any name, until the
// stream has as many as it may have and other hosts get none. So it can make one for each key of its hosts. It
// can end or read the consumer of whoever's public key it knows, which are its hosts. An answer that is to go to the
// subject of a request becomes that request: one that the relay could have made itself.
//
// The keeper makes these consumers, and each host's: a subject says whose a consumer is, but not which form it has, and
// a form can take all memory of nats-server 2.9, or end it. Of a request only the message counts with which to begin.
//
// The server checks each of these imports against all others of the account: a relay of 500 hosts takes it a
// quarter of a second. What is imported by name is a list that it walks for each new consumer: with 20 relays of
// 500 hosts each, which are 20,000 imports, a consumer takes 4 ms in place of 1, and with 4 such relays half as much
// again. The server starts in 6 s then, reads its configuration again in 9 s, and that has 6 MB.
//
// The server does not ask at its port for relays how the user of a signing key may connect. So HOSTS takes no leaf
// nodes at all: a host's own credential would be worth as much there as all hosts' together.
//
// Hosts have their own credentials there, and the relay has the same rights for them. Who
// is behind it, the hub does not see, so when a key is revoked that a relay's credential names, that
// credential is revoked, too.
//
// # What is left
//
// A host can end nats-server 2.9.10 (Debian 12) by a request whose answer is to go to a subject with a
// wildcard; 2.10.27 (Debian 13) has that mended. The server has to be started again then, and has lost
// nothing. Nothing limits how often a host connects, and how much it publishes at its own slots. All of
// that ends when the host is revoked.
//
// TestRights has the attacks, each with what it would do to the stream and to others; TestRelayAttack those of relays.
package keys
