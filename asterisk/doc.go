// Package asterisk reads Asterisk's configuration: where Asterisk listens, what it logs and where
// to, and which trunks it has. It reads files as Asterisk does, with their includes, and reports
// the lines that Asterisk ignores. It asks a running Asterisk where phones are registered.
//
// It only reads. It does not find the installed program (package pbx does) or the open ports
// (package host does). survey imports it for setup and doctor, and advise for its facts.
package asterisk
