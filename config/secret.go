package config

// HasSecret reports whether the configuration has anything that Redacted hides: the serial
// of reports, or a key or password in the URL of a feed.
func (c Config) HasSecret() bool {
	if c.Report.Serial != "" {
		return true
	}
	for _, f := range c.Feeds {
		if f.URL.String() != string(f.URL) {
			return true
		}
	}
	return false
}
