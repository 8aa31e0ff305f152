// Package ami makes observations of the events of Asterisk's manager interface (AMI), in the form
// that Asterisk 16 and 22 with chan_pjsip have been seen to write them.
//
// Strangers write into these events. Asterisk copies up to 36 letters of a From into InvalidAccountID
// and decodes them first, so that one packet can add lines to the event, end it, and begin another. So
// only what Asterisk alone can have written counts: lines that end in CR LF, the class of the
// event in the second one, all fields in their order, none of them twice. The stranger who breaks
// an event is still seen by the next one, which Asterisk makes of the same request. Where strangers have
// more room, nothing counts: see [Client].
//
// What it concludes, and why:
//
//   - Authenticated: SuccessfulAuth, by a password. Asterisk's nonce is made of the source's address, and
//     has come back with the right answer; so it is proved. Who has a password can forge that, with a Via
//     that has Asterisk send the nonce elsewhere.
//   - Registered, Unregistered: the contact with the Call-ID and the account of such an event is in the
//     listing of contacts, or no longer. The addresses in there never count: the phone chooses them.
//   - WrongPassword: ChallengeResponseFailed, also for an account that does not exist. Over UDP it is never
//     proved: one packet with an invented nonce and any source makes the same event as a wrong password
//     does. The same answer again over UDP, when a phone that gets none itself would send it, is only
//     Asked, ten times in a day. WrongPassword is also that of who logs in to the manager interface itself.
//   - UnknownAccount, Refused, Asked: InvalidAccountID, FailedACL of an endpoint, ChallengeSent. Over UDP
//     one packet makes each, so they are proved over the other transports alone. UnknownAccount is each
//     request, before it has answered a challenge and after; so it may be a call or a ping of a provider.
//
// Never seen: what is not SIP; the method, the program and the number called; a call to a number that
// does not exist; a stranger whose Call-ID is not UTF-8, of whom Asterisk writes no event at all.
// Package hep sees all that.
package ami
