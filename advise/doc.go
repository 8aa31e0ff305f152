// Package advise turns what is known about a host into advice: [Findings] returns what is not as
// it should be, for "voipbl doctor", and [Propose] a configuration that fits, for "voipbl setup".
//
// It is pure: it reads no files, rules or network, so the same facts always give the same
// advice. It says only what is certain. cmd/voipbl, setup and show import it. The facts come from
// packages survey (the machine), blocklist (voipbl's status) and reach (the rules in the kernel).
package advise
