package advise

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/reach"
)

// maxTrusted bounds how many of those whom FreePBX's firewall trusts are asked about, and
// proposed.
const maxTrusted = 256

// TrustedByFreePBX are those whom FreePBX's firewall trusts. What is known of them is to be
// among the checks.
func TrustedByFreePBX(in Input) (all []netip.Prefix) {
	for _, t := range reach.FreePBXTrusts(in.Rules, in.Native) {
		all = append(all, t.Prefix)
	}
	return all[:min(len(all), maxTrusted)]
}

// freePBX looks for those whom FreePBX's firewall trusts and who are blocked all the same.
func (d *doctor) freePBX() {
	for _, t := range reach.FreePBXTrusts(d.Rules, d.Native) {
		by, remedy, blocked := d.blocked(t.Prefix)
		if !blocked || d.told(t.Prefix) {
			continue
		}
		who := addressText(t.Prefix)
		d.note(FreePBXBlocked, Problem, orElse(remedy, fmt.Sprintf("voipbl allow %s", who)), cutOff,
			"FreePBX's firewall trusts %s (%s), and it is blocked%s", who, t.Why, by)
	}
}

// privateOfFreePBX are the private networks that FreePBX's firewall has in its zones for
// friends.
func (p *proposer) privateOfFreePBX() (all []netip.Prefix) {
	for _, t := range reach.FreePBXTrusts(p.Rules, p.Native) {
		if t.Prefix.Addr().IsPrivate() && !t.Prefix.IsSingleIP() && !t.Passing {
			all = append(all, t.Prefix)
		}
	}
	return all
}

const keyAllow = "allow"

// allow proposes to allow whom FreePBX's firewall trusts for good.
func (p *proposer) allow() error {
	have := p.cfg.Allow
	want := slices.Clone(have)
	for _, t := range reach.FreePBXTrusts(p.Rules, p.Native) {
		h := config.Host{Prefix: t.Prefix}
		if !t.Passing && !p.known(h) && len(want)-len(have) < maxTrusted {
			want = append(want, h)
		}
	}
	if len(want) > len(have) {
		why := "trusted by FreePBX's firewall, so no list may cut it off"
		p.set(keyAllow, flow(want), why, func(c *config.Config) { c.Allow = want }, more(keyAllow, want[len(have):], why), key(keyAllow, flow(want), why))
	}
	return nil
}
