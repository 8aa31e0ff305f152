package iptables

// nativeMatch stands for what a rule asks for that the tools of iptables do not show. Being
// no match that they know, it makes no rule one that is certain to match.
const nativeMatch = "-m nftables"

// nativeTarget stands for what becomes of packets by a rule of which that is not shown,
// such as a verdict map.
const nativeTarget = "NFTABLES"

// Misread marks a rule that somebody has put into a chain of iptables by nft(8), of which
// the tools of iptables show only some: "ip saddr @friends accept" as "-j ACCEPT". What
// they say of its matches is left out. count is how many rules the chain has; if it has
// others now, it is another state that was looked at, and nothing is marked.
func (s *Saved) Misread(table, chain string, index, count int) {
	rules := s.Rules(table, chain)
	if len(rules) != count || index >= count {
		return
	}
	r := &rules[index]
	to := Target(r.Text)
	switch {
	case to == "":
		r.Text = nativeMatch + " -j " + nativeTarget
	case to == Option(r.Text, "-g"):
		r.Text = nativeMatch + " -g " + to
	default:
		r.Text = nativeMatch + " -j " + to
	}
}
