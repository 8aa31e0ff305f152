package ruleset

import "github.com/voipbl/voipbl/iptables"

// Wanted is what the kernel should hold, by family.
type Wanted [2][]iptables.Table

// Wanted renders both families.
func (s Settings) Wanted() Wanted { return Wanted{s.Tables(iptables.IPv4), s.Tables(iptables.IPv6)} }

// Readable returns an error if a table of a family in which rules are wanted cannot be read.
func (w Wanted) Readable(f iptables.Family, saved *iptables.Saved) error {
	if saved.Trouble != nil {
		return saved.Trouble
	}
	for _, t := range w[f] {
		if err := saved.Readable(t.Name); err != nil {
			return err
		}
	}
	return nil
}
