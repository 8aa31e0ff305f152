// Package testvalue makes values for the tests of several packages: a configuration from
// its text, addresses, a folder like /proc.
package testvalue
