package fleet

import (
	"fmt"
	"strings"
)

// Name is the name of a host in the fleet, as acme_pbx7: its site and the host, both in lower case. The operator
// gives it to the host, and the hub ties it to the host's key.
type Name string

// longestPart is the length of the name of a site, or of a host in it.
const longestPart = 20

// ParseName returns s as a name.
func ParseName(s string) (Name, error) {
	site, host, _ := strings.Cut(s, "_")
	if !IsSite(site) || !isPart(host) {
		return "", fmt.Errorf("%q is no name of a host in the fleet: it must be like acme_pbx7, a site and a host of 1 to %d characters each, which are small letters, digits and inner hyphens", s, longestPart)
	}
	return Name(s), nil
}

// IsSite reports whether s can be the name of a site.
func IsSite(s string) bool { return isPart(s) }

// isPart reports whether s can be the name of a site, or of a host in it. Such a name is one token of
// a subject, and no two of them differ in case only.
func isPart(s string) bool {
	if len(s) < 1 || len(s) > longestPart || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Site returns the site of the host.
func (n Name) Site() string {
	site, _, _ := strings.Cut(string(n), "_")
	return site
}

// String returns the name as text.
func (n Name) String() string { return string(n) }
