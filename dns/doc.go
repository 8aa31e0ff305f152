// Package dns turns DNS names into addresses, and remembers what each name has stood
// for. It asks for the addresses of a name and, if it is one of SIP, for the servers
// that the name's SRV records name (RFC 3263). Of the answers it makes, with what was
// known before, what is known now: that step is pure.
package dns
