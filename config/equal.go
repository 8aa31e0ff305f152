package config

// Equal reports whether two configurations have the same values.
func (c Config) Equal(other Config) bool {
	one, err1 := c.YAML()
	two, err2 := other.YAML()
	return err1 == nil && err2 == nil && string(one) == string(two)
}
