package iptables

import "fmt"

// MissingToolError says that iptables is not installed.
type MissingToolError struct{ Tool string }

func (e *MissingToolError) Error() string { return e.Tool + " is not installed" }

// Remedy says what to do about it.
func (e *MissingToolError) Remedy() string {
	return "install it with \"apt-get install iptables\", or choose the other backend with \"firewall: {backend: …}\""
}

// IncompatibleError says that iptables cannot read a table, because it has native nftables
// rules.
type IncompatibleError struct {
	Family Family
	Table  string
}

func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("the %s table %s holds nftables rules that iptables cannot read, so no rule can be placed among them", e.Family, e.Table)
}

// Remedy says what to do about it.
func (e *IncompatibleError) Remedy() string {
	family := [...]string{"ip", "ip6"}[e.Family]
	return fmt.Sprintf("look with \"nft list table %s %s\" and move those rules into a table of their own; for the drop alone, \"drop_at: prerouting\" does without that table", family, e.Table)
}
