package config

import "slices"

// HasSecret reports whether the configuration has anything that Redacted hides: the serial
// of reports, a key or password in the URL of a feed, or one in its headers.
func (c Config) HasSecret() bool {
	if c.Report.Serial != "" {
		return true
	}
	for _, f := range c.Feeds {
		if f.URL.String() != string(f.URL) || slices.ContainsFunc(f.Access.Headers, func(h string) bool { return secretOf(h) != "" }) {
			return true
		}
	}
	return false
}
