// Package document is the operator's document: what the operator of a fleet tells all its hosts, such
// as which addresses none of them ever blocks. It has the document as a value, its form signed with
// the operator's key, the YAML that an operator writes, and what a new one changes.
//
// The document passes through the hub of the fleet and through a process on each host that reads what
// strangers send. Neither has the operator's key, so all that they can do is to keep a document back,
// or to send an old one again; a host takes none that is older than the newest it has seen (see
// [Document.Serial]). The signature covers a text that nothing else of voipbl's is signed with, and the
// very bytes of the document: nobody has to encode JSON in the same way twice.
//
// A document only adds: it allows hosts beside those of a host's own configuration, names hosts to
// believe beside those trusted there, and others to believe no more. It cannot turn the protection off:
// networks are no wider than in the configuration, and all together are a small part of the Internet.
// The package only computes.
package document
