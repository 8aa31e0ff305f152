// Package settings says what a configuration means for the firewall: which rules it asks
// for, with which sets, and of which families.
//
// It reads nothing from the kernel, and whether those rules may be installed is not its
// business: see package rules.
package settings
