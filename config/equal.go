package config

import "bytes"

// Equal reports whether two configurations have the same values.
func (c Config) Equal(other Config) bool {
	return bytes.Equal(c.YAML(), other.YAML())
}
