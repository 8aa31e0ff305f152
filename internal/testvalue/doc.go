// Package testvalue has values that tests of several packages begin with: a configuration
// from its text, addresses, a folder like /proc.
package testvalue
