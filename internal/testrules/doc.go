// Package testrules has typical firewall settings and rule listings for the tests of
// several packages.
package testrules
