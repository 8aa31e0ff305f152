// Package testrules has settings of the firewall that people ask for, and listings, which
// tests of several packages begin with.
package testrules
