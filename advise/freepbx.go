package advise

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/reach"
)

// maxTrusted is how many addresses trusted by FreePBX's firewall are checked and proposed.
const maxTrusted = 256

// TrustedByFreePBX returns the addresses that FreePBX's firewall trusts. Input.Checks must have
// them.
func TrustedByFreePBX(in Input) (all []netip.Prefix) {
	for _, t := range reach.FreePBXTrusts(in.Rules, in.Native) {
		all = append(all, t.Prefix)
	}
	return all[:min(len(all), maxTrusted)]
}

// freePBX finds addresses that FreePBX's firewall trusts and that are blocked.
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

// privateOfFreePBX returns the private networks in the trusted zones of FreePBX's firewall.
func (p *proposer) privateOfFreePBX() (all []netip.Prefix) {
	for _, t := range reach.FreePBXTrusts(p.Rules, p.Native) {
		if t.Prefix.Addr().IsPrivate() && !t.Prefix.IsSingleIP() && !t.Passing {
			all = append(all, t.Prefix)
		}
	}
	return all
}

const keyAllow = "allow"

// allow proposes to allow the addresses that FreePBX's firewall trusts for good.
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
