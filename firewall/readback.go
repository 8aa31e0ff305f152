package firewall

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Readback knows how the kernel lists the rules that voipbl wrote: it masks, sorts and leaves
// out defaults, each version of iptables a little differently. So the kernel's rules are compared
// with what was read back after an apply, never with what was written.
type Readback struct {
	Tools [2]string            `json:"programs"` // the tools that listed them, by family
	Rules [2]map[string]string `json:"rules"`    // written → read, by family; only where they differ
}

// of returns the map of a family, if these tools made it.
func (r *Readback) of(fw *Firewall, f iptables.Family) map[string]string {
	if r == nil || r.Tools[f] != fw.tools[f] {
		return nil
	}
	return r.Rules[f]
}

// expected returns how the kernel lists rules that were written.
func expected(known map[string]string, written []string) []string {
	read := make([]string, 0, len(written))
	for _, w := range written {
		if r, ok := known[w]; ok {
			w = r
		}
		read = append(read, w)
	}
	return read
}

// learn reads back what was just applied. A rule whose purpose or target is not the one written
// was changed by another program meanwhile.
func learn(want []iptables.Table, saved *iptables.Saved) (map[string]string, error) {
	known := make(map[string]string)
	for _, t := range want {
		for _, c := range t.Chains {
			if err := pair(known, c.Name, c.Rules, saved.Texts(t.Name, c.Name)); err != nil {
				return nil, err
			}
		}
		for _, chain := range iptables.HookChains(t) {
			first, last := t.HooksIn(chain)
			read := slices.DeleteFunc(saved.Texts(t.Name, chain), func(rule string) bool { return !iptables.IsOurHook(rule) })
			if err := pair(known, chain, slices.Concat(first, last), read); err != nil {
				return nil, err
			}
		}
	}
	return known, nil
}

func pair(known map[string]string, chain string, written, read []string) error {
	if len(written) != len(read) {
		return fmt.Errorf("chain %s has %d rules of ours in the kernel and not the %d that were written", chain, len(read), len(written))
	}
	for i, w := range written {
		r := read[i]
		if iptables.Purpose(w) != iptables.Purpose(r) || iptables.Target(w) != iptables.Target(r) {
			return fmt.Errorf("chain %s has in the kernel %q and not %q that was written", chain, r, w)
		}
		if r != w {
			known[w] = r
		}
	}
	return nil
}

// inverse maps rules as listed to rules as written.
func inverse(known map[string]string) map[string]string {
	written := make(map[string]string, len(known))
	for w, r := range known {
		if old, twice := written[r]; !twice || strings.Compare(w, old) < 0 {
			written[r] = w
		}
	}
	return written
}
