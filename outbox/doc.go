// Package outbox is what this host has to tell VoIPBL: addresses that have attacked it,
// and those of them that it has let go again.
//
// A [Box] is a value, and its methods decide without side effects what is sent now, what
// later and what never: they are told the time, and ask nobody. [Client.Send] is the one
// request over the network. Who may be reported at all, where the box is kept and who
// holds which lock is the caller's business, as is doing things in this order: take an
// entry out of the box with [Box.Begin], keep the box, send, give the result to
// [Box.Finish], keep the box again. A process that is killed in between makes a report
// come twice, and never makes more requests than allowed.
package outbox
