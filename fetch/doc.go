// Package fetch turns a feed's source into bounded bytes on the local disk and
// keeps the last good copy of them.
//
// It stands at the very start of the flow. A source, which is a URL
// ([Client.Get]) or a path of this host ([OpenPath]), is written into a
// [Staged] temporary file of the [Store]; the caller reads that back, judges
// what the bytes mean, and then either makes it the feed's last good copy
// ([Staged.Commit]) or drops it ([Staged.Discard]). When a source fails, the
// last good copy is read instead ([Store.Open]). Staged files, copies and path
// feeds are all read the same way, by a Parts method that yields each part's
// name and bytes.
//
// What it promises: a size, a time and a number of attempts that are never
// exceeded; a body that is whole as far as its transport can tell; a copy that
// is replaced in one step or not at all, and whose damage is an error rather
// than a shorter list.
//
// What it is not for: it knows no addresses, no lines and no entries. Whether
// a list is plausible, shrank too much or covers too much is the caller's to
// say, and so are schedules, locks and what to do after a failure. One thing
// no transport can tell is a body that ends early although neither a length
// nor chunks were promised (HTTP/1.0 style, without TLS); only the list's own
// contents can show it.
//
// Every failure is an [*Error], with a [Reason] to branch on and a remedy in
// plain words, or a [*DamagedError] for a file of the store that is not what
// was written there.
package fetch
