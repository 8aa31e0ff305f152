// Package settings turns a configuration into the settings of package ruleset: which
// rules it asks for, with which sets, in which families. It reads the headers of sets
// from the kernel, but no rules, and changes nothing. It does not decide whether the
// rules may be installed: see package rules, which uses it, as do agent, bans,
// blocklist, reach, setnames and takeover.
package settings
