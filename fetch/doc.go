// Package fetch turns a feed's source into bounded bytes on the local disk and
// keeps the last good copy of them.
//
// It is not for judging lists: it knows no addresses, lines or entries, no schedules
// and no locks. Package feeds, its main user, decides whether a list is plausible.
// Other packages use only the [Store], for files of their own. It stands on net/http,
// internal/web and internal/shownurl.
//
// A source is a URL ([Client.Get]) or a path on this host ([OpenPath]). It is written
// into a [Staged] temporary file of the [Store]. The caller reads that back, decides
// what the bytes mean, and either makes it the feed's last good copy ([Staged.Commit])
// or drops it ([Staged.Discard]). When a source fails, the caller reads the last good
// copy instead ([Store.Open]). Staged files, copies and path feeds are all read the
// same way, by a Parts method that yields each part's name and bytes.
//
// It guarantees limits of size, time and attempts that are never exceeded; a body that
// is complete as far as HTTP can tell; and a copy that is replaced in one step or not
// at all, and whose damage is an error, never a shorter list.
//
// HTTP cannot tell that a body ends early if it has neither a length nor chunks (as in
// HTTP/1.0, without TLS). Only the list's contents can show that.
//
// Every error has a [Reason] and a remedy in plain words, which package problem reads, or is a
// [*DamagedError] for a file of the store that is not what was written there.
package fetch
