// Package form turns a list in any published form into lines of text, one entry each, which
// package cidr reads: it unpacks gzip, xz, zstd and zip, and takes the entries out of JSON and
// CSV. Package feeds puts it between a list's source and its copy, so that all copies are lines.
//
//	body ── unpack ──► JSON, CSV or lines ──► lines
//
// It reads in pieces of limited size, whatever the body holds, and opens no files: only a zip
// needs its whole file, which the caller gives. What is in the place of
// an entry and cannot be one becomes a line that cidr refuses and counts, never a guess.
//
// A body whose form it is not sure of is refused with a [*Mismatch] that says what to write in
// the configuration.
package form
