package firewall

import "context"

// Backends opens the backends that may hold rules now. One whose tools are not
// installed cannot be looked into, and is left out.
func Backends() []*Firewall {
	var all []*Firewall
	for _, b := range []Backend{NFT, Legacy} {
		if fw, err := Open(string(b)); err == nil && fw.InUse() {
			all = append(all, fw)
		}
	}
	return all
}

// RulesWithSet returns the rules that match against a set, in both backends, each
// with the tool that lists it, such as "iptables-nft: -A INPUT …". It is for error
// messages: a backend that cannot be read has no rules.
func RulesWithSet(ctx context.Context, set string) []string {
	return rulesWhere(ctx, func(rule string) bool { return matchesSet(rule, set) })
}

// ForeignRulesWithSet returns those of them that are not ours.
func ForeignRulesWithSet(ctx context.Context, set string) []string {
	return rulesWhere(ctx, func(rule string) bool { return !ours(rule) && matchesSet(rule, set) })
}

// ChainUsers returns the rules that are not ours and go to a chain of ours, in the
// same form.
func ChainUsers(ctx context.Context) []string {
	return rulesWhere(ctx, func(rule string) bool { return !ours(rule) && isOurChain(target(rule)) })
}

func rulesWhere(ctx context.Context, which func(rule string) bool) []string {
	var rules []string
	for _, fw := range Backends() {
		saved, err := fw.Read(ctx)
		if err != nil {
			continue
		}
		for _, f := range Families {
			for _, rule := range saved[f].where(which) {
				rules = append(rules, f.command()+"-"+string(fw.Backend)+": "+rule)
			}
		}
	}
	return rules
}
