// Package ruleset makes the rules that are wanted, as text: the drop of blocked addresses,
// and the base rules of a PBX host.
//
// [Settings] are all that the rules depend on. [Settings.Tables] renders them without
// looking at the host: the same settings give the same rules everywhere. The base rules
// follow the published ruleset, rule for rule; what is added says so.
//
// The package is pure. Package settings makes settings of a configuration, and package
// firewall brings the rules into the kernel.
package ruleset
