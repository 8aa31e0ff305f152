package advise

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/survey"
)

// These keys say by what the PBX is watched.
const (
	keyHEP = "pbx.hep"
	keyAMI = "pbx.ami"
)

// Connected returns the text of a configuration in which the PBX is watched at these addresses; an
// invalid one is off. If it cannot change the text safely, the error says what to change by hand.
func Connected(text []byte, hep, ami netip.AddrPort) ([]byte, config.Config, error) {
	cfg, err := config.Parse("", text)
	if err != nil {
		return nil, cfg, err
	}
	p := &proposer{text: string(text), cfg: cfg, def: config.Default()}
	for _, k := range []struct {
		key, why string
		at       netip.AddrPort
		dst      func(*config.Config) *netip.AddrPort
	}{
		{keyHEP, "the PBX copies its SIP messages to this port", hep, func(c *config.Config) *netip.AddrPort { return &c.PBX.HEP }},
		{keyAMI, "Asterisk's manager interface, by which phones are known", ami, func(c *config.Config) *netip.AddrPort { return &c.PBX.AMI }},
	} {
		if *k.dst(&p.cfg) == k.at {
			continue
		}
		value, why := `""`, "not connected"
		if k.at.IsValid() {
			value, why = `"`+k.at.String()+`"`, k.why
		}
		p.set(k.key, value, why, func(c *config.Config) { *k.dst(c) = k.at }, key(k.key, value, why))
	}
	var errs []error
	for _, c := range p.out.Choices {
		if c.State == ByHand {
			errs = append(errs, fmt.Errorf("set %s to %s by hand: this text cannot be changed safely", c.Key, c.Value))
		}
	}
	return []byte(p.text), p.cfg, errors.Join(errs...)
}

// OtherTrunks returns the trunks that only Asterisk's files name: those that a configuration does not
// exempt, and that Asterisk does not tell of, if it is connected by its manager interface.
func OtherTrunks(a *asterisk.Facts, cfg config.Config) []string {
	p := &proposer{cfg: cfg}
	all, others := trunksOf(survey.Facts{Asterisk: a}), []string{}
	if cfg.PBX.AMI.IsValid() && cfg.PBX.TrustRegistered {
		all = slices.DeleteFunc(slices.Clone(a.Trunks), func(t string) bool { return slices.Contains(a.Registrars, t) })
	}
	for _, t := range all {
		if h, err := parseHost(t); err == nil && !p.known(h) {
			others = append(others, t)
		}
	}
	return others
}
