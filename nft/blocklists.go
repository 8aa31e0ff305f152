package nft

import "slices"

// DropSets returns, in order and as "SET (TABLE)", the named sets whose members native rules drop
// as they come in, except those that fail2ban fills.
func (r *Ruleset) DropSets() (sets []string) {
	for i := range r.Tables {
		t := &r.Tables[i]
		if t.Dormant || OwnerOf(t) == Fail2ban {
			continue
		}
		seen := make(map[string]bool)
		var queue []*Chain
		for j := range t.Chains {
			if c := &t.Chains[j]; c.Hook == Ingress || c.Hook == Prerouting || c.Hook == Input {
				queue = append(queue, c)
			}
		}
		for ; len(queue) > 0; queue = queue[1:] {
			if seen[queue[0].Name] {
				continue
			}
			seen[queue[0].Name] = true
			for _, rule := range queue[0].Rules {
				set, end := rule.members(t), rule.verdict()
				if end == nil {
					continue
				}
				to := t.Chain(end.Chain)
				if to != nil {
					queue = append(queue, to)
				}
				if set != "" && (end.ends() || to != nil && to.closes()) {
					sets = append(sets, set+" ("+t.String()+")")
				}
			}
		}
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}

// members returns the named set in which a rule looks for the source, or "".
func (r *Rule) members(t *Table) string {
	for _, s := range r.Steps {
		if m := s.Match; m != nil && m.Set != "" && !m.Not && m.Fields[0].IsSource() {
			if set := t.Sets[m.Set]; set != nil && !set.Anonymous {
				return m.Set
			}
		}
	}
	return ""
}

func (r *Rule) verdict() *Verdict {
	if len(r.Steps) == 0 {
		return nil
	}
	return r.Steps[len(r.Steps)-1].Verdict
}

func (v *Verdict) ends() bool { return v.Kind == Drop || v.Kind == Reject }

// closes reports whether a chain drops all packets that reach it, by a plain rule.
func (c *Chain) closes() bool {
	return slices.ContainsFunc(c.Rules, func(r Rule) bool {
		v := r.verdict()
		return v != nil && v.ends() && !slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Verdict == nil && s.Note == "" })
	})
}
