// Package ruleset writes the rules that are wanted, as text: the drop of blocked addresses and
// the base rules of a PBX host. They depend on [Settings] alone: [Settings.Tables] gives the same
// rules on every host. The base rules follow the published ruleset rule by rule, and name what
// they add.
//
// It is pure: package settings derives settings from a configuration, and package firewall puts
// the rules into the kernel. It stands on iptables; rules, trial, settings, firewall, iptwalk,
// lockout and reach import it.
package ruleset
