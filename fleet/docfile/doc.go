// Package docfile keeps the operator's document of a fleet on this host: it reads and writes the
// copies of the newest one that this host has seen, and answers the process that brings documents from the
// hub. That process has not checked them, and may be in the hands of a stranger; so this package takes
// only what the operator has signed (see package fleet/document), and no document that is older than the
// newest.
//
// Package exempt reads from it whom the operator allows, package agent serves it. Each reader verifies
// the signature again, so a copy that somebody or a bad disk has changed counts as little as one from
// the hub.
package docfile
