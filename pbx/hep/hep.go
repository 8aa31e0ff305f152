// Package hep makes observations of the SIP messages that a PBX sends and receives. The PBX copies
// each of them to a port of this host, in datagrams of HEP3: Asterisk by res_hep_pjsip, Kamailio by
// siptrace; OpenSIPS and FreeSWITCH can do the same. The datagrams have a password, so that no other
// user of the host can forge them. The SIP in them is that of strangers.
//
// What it concludes, and why:
//
//   - A source is proved if it has returned a nonce that the PBX has sent to its address, and to no
//     other, or if its transport has a handshake. Over UDP all else can be forged by one packet.
//   - Authenticated, Registered, Unregistered: the PBX has challenged this account at this address, has
//     got its nonce back in a request of the same account, and has answered that with success. So the
//     password is proved. The address is not if the nonce was sent to others too: somebody who has a
//     password could have written it. A PBX that asks for no password makes none of these.
//   - WrongPassword: the PBX has answered credentials with another challenge that is not stale. It is
//     proved if the nonce was, and anybody's if not.
//   - Asked: a request without credentials, or with stale ones, was challenged.
//   - Refused: the answer was 403. Asterisk also gives it to a phone that has the right password
//     where no more phones may register, FreeSWITCH to a wrong password.
//   - UnknownAccount: the answer to a REGISTER was 404. Asterisk and Kamailio do not tell strangers which
//     accounts there are: they challenge all. Who knows it from elsewhere joins it by Account.
//   - Scanned: OPTIONS, or a method that no phone has, was answered in whatever way. Phones and providers
//     send OPTIONS too, to see whether the PBX is there.
//   - Malformed: what has come cannot be read, or the PBX has answered 400. Asterisk and Kamailio do
//     not copy what they cannot read themselves.
//
// A repeated packet counts once. A packet counts as sent by the PBX only if it goes from an address of
// this host to one of another: a stranger can forge its source, but not where it goes.
//
// Out of reach: who sees the traffic of an address, or shares it behind a NAT, can do all that
// the address can.
package hep
