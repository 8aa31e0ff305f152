// Package settings turns a configuration into the settings of package ruleset: which
// rules it asks for, with which sets, in which families. It reads the headers of sets
// from the kernel, but no rules, and changes nothing. It does not decide whether the
// rules may be installed: see package rules. Packages that read or write rules use it;
// it stands on config, ruleset and ipsetsync.
package settings
