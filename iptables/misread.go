package iptables

// nativeMatch stands for a match that the tools of iptables do not show. Since it is no match that
// voipbl knows, such a rule never counts as certain to match.
const nativeMatch = "-m nftables"

// nativeTarget stands for a verdict that the tools of iptables do not show, such as a verdict
// map.
const nativeTarget = "NFTABLES"

// Misread marks a rule that was added to a chain of iptables with nft(8), and that the tools of
// iptables show only in part: "ip saddr @friends accept" as "-j ACCEPT". Its matches as shown are
// dropped. count is how many rules the chain had when it was looked at; if it has another number
// now, it has changed, and nothing is marked.
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
