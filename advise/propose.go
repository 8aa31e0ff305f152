package advise

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/survey"
)

// Request is all that Propose needs to know.
type Request struct {
	Facts  survey.Facts
	Rules  []reach.KernelRules // the backend that voipbl uses first
	Native *nft.Ruleset        // native tables, which iptables does not show; nil if they could not be read
	Owners []string            // programs with rules in the kernel: see [reach.OtherOwners]

	// Text is the present configuration, nil if there is none. Shipped is the commented file
	// with all defaults, from which a new configuration is made.
	Text, Shipped []byte

	// What the admin has asked for.
	Base     bool     // the base rules
	Networks []string // more local networks
	Trunks   []string // more trunks
}

// Proposal is a configuration that fits a host.
type Proposal struct {
	Text    []byte        `json:"-"`
	Config  config.Config `json:"-"`
	Changed bool          `json:"changed"` // the text differs from that of the request
	Choices []Choice      `json:"choices"`

	// BaseFits: nothing speaks against base rules. They are only on if the admin asks for them.
	BaseFits bool `json:"base_fits"`
}

// Choice is the value of a key, and why.
type Choice struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Why   string `json:"why"`
	State State  `json:"state"`
}

// State is what setup does with a key.
type State string

const (
	Set     State = "set"     // setup changes it
	Same    State = "same"    // it is right as it is
	Yours   State = "yours"   // the admin has chosen it, so it stays
	ByHand  State = "by-hand" // it should be changed, but setup cannot change this text safely
	Missing State = "missing" // only the admin can know it
)

// RefusedError says why base rules that the admin asked for are not proposed.
type RefusedError struct{ Why, Fix string }

func (e *RefusedError) Error() string { return "the base rules are not proposed: " + e.Why }

// Remedy says what to do about it.
func (e *RefusedError) Remedy() string { return e.Fix }

// Propose makes a configuration for a host. It keeps what the admin has changed from the default,
// but adds trunks, which only protects more. It changes the text only where a value changes, and
// only if the text then says exactly what is proposed. Otherwise it leaves the choice to the
// admin.
func Propose(r Request) (*Proposal, error) {
	text := r.Text
	if text == nil {
		text = r.Shipped
	}
	cfg, err := config.Parse("", text)
	if err != nil {
		return nil, err
	}
	p := &proposer{Request: r, text: string(text), cfg: cfg, def: config.Default()}
	for _, step := range []func() error{p.networks, p.trunks, p.allow, p.sip, p.rtp, p.ssh, p.signalling, p.dropAt, p.base} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	p.out.Text, p.out.Config = []byte(p.text), p.cfg
	p.out.Changed = !bytes.Equal(p.out.Text, r.Text)
	return &p.out, nil
}

// proposer goes through the keys one by one.
type proposer struct {
	Request
	text     string
	cfg, def config.Config
	out      Proposal
}

func (p *proposer) choose(s State, key, value, format string, args ...any) {
	p.out.Choices = append(p.out.Choices, Choice{key, value, fmt.Sprintf(format, args...), s})
}

// set changes a key in the configuration and in its text.
func (p *proposer) set(key, value, why string, change func(*config.Config), edits ...func(text string) (string, bool)) {
	want := p.cfg
	change(&want)
	for _, edit := range edits {
		text, ok := edit(p.text)
		if !ok {
			continue
		}
		if got, err := config.Parse("", []byte(text)); err == nil && got.Equal(want) {
			p.text, p.cfg = text, want
			p.choose(Set, key, value, "%s", why)
			return
		}
	}
	p.choose(ByHand, key, value, "%s", why)
}

// more returns an edit that adds items to a list.
func more[T fmt.Stringer](path string, items []T, why string) func(string) (string, bool) {
	var words []string
	for _, v := range items {
		words = append(words, quoted(v))
	}
	return func(text string) (string, bool) { return addItems(text, strings.Split(path, "."), words, why) }
}

// key returns an edit that sets the value at a path.
func key(path, value, why string) func(string) (string, bool) {
	return func(text string) (string, bool) { return setKey(text, strings.Split(path, "."), value, why) }
}

const keyNetworks = "firewall.local_networks"

func (p *proposer) networks() error {
	asked, err := p.parseNetworks()
	if err != nil {
		return err
	}
	var found []netip.Prefix
	from := map[netip.Prefix]string{}
	for _, n := range p.Facts.Networks {
		if n.Private && !n.Container && !n.Prefix.IsSingleIP() && from[n.Prefix] == "" {
			from[n.Prefix] = "on " + n.Interface
			found = append(found, n.Prefix)
		}
	}
	for _, n := range p.privateOfFreePBX() {
		if !slices.ContainsFunc(found, func(f netip.Prefix) bool { return contains(f, n) }) {
			from[n] = "trusted by FreePBX's firewall"
			found = append(found, n)
		}
	}
	have := p.cfg.Firewall.LocalNetworks
	want, why := slices.Clone(have), "as you have asked"
	if len(have) == 0 && len(asked) == 0 {
		var words []string
		for _, n := range found {
			words = append(words, n.String()+" is "+from[n])
		}
		want, why = found, "private networks that this host is in: "+strings.Join(words, ", ")
	}
	for _, n := range asked {
		if !slices.Contains(want, n) {
			want = append(want, n)
		}
	}
	farWords := ""
	if far := unreached(want, p.Facts); len(far) > 0 {
		farWords = "; no interface and no route of this host leads to " + flow(far)
	}
	switch {
	case len(want) == 0:
		p.choose(Missing, keyNetworks, "[]", "this host is in no private network; base rules need to know where you and your phones come from (--local)")
	case slices.Equal(want, have):
		p.choose(Yours, keyNetworks, flow(want), "%s", others(found, have)+farWords)
	default:
		why += farWords
		p.set(keyNetworks, flow(want), why, func(c *config.Config) { c.Firewall.LocalNetworks = want },
			more(keyNetworks, want[len(have):], why), key(keyNetworks, flow(want), why))
	}
	return nil
}

// others says which of this host's networks the admin has left out.
func others(found, have []netip.Prefix) string {
	left := slices.DeleteFunc(slices.Clone(found), func(n netip.Prefix) bool {
		return slices.ContainsFunc(have, func(h netip.Prefix) bool { return contains(h, n) })
	})
	if len(left) == 0 {
		return "as you have it"
	}
	return "as you have it; this host is in " + flow(left) + " too"
}

func (p *proposer) parseNetworks() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range p.Networks {
		c, err := config.Parse("", fmt.Appendf(nil, "firewall: {local_networks: [%q]}", text))
		if err != nil {
			return nil, fmt.Errorf("--local %s: %w", text, cause(err))
		}
		all = append(all, c.Firewall.LocalNetworks...)
	}
	return all, nil
}

// cause returns the error without its position, which is in a text made here.
func cause(err error) error {
	var mistake *config.Error
	if errors.As(err, &mistake) {
		return errors.New(mistake.Problem + ": " + mistake.Expected)
	}
	return err
}

// parseHost parses a trunk as the configuration does.
func parseHost(text string) (config.Host, error) {
	c, err := config.Parse("", fmt.Appendf(nil, "allow: [%q]", text))
	if err != nil {
		return config.Host{}, cause(err)
	}
	return c.Allow[0], nil
}

const keyTrunks = "firewall.trunks"

func (p *proposer) trunks() error {
	have := p.cfg.Firewall.Trunks
	want := slices.Clone(have)
	add := func(h config.Host) {
		if !slices.Contains(want, h) {
			want = append(want, h)
		}
	}
	for _, t := range trunksOf(p.Facts) {
		if h, err := parseHost(t); err == nil && !p.known(h) {
			add(h)
		}
	}
	why := "providers in Asterisk's configuration, which no list may cut off"
	found := len(want) - len(have)
	for _, t := range p.Trunks {
		h, err := parseHost(t)
		if err != nil {
			return fmt.Errorf("--trunk %s: %w", t, err)
		}
		add(h)
	}
	switch added := len(want) - len(have); {
	case added > found && found == 0:
		why = "as you have asked"
	case added > found:
		why = "what you have asked for, and " + why
	}
	switch {
	case len(want) == 0:
		p.choose(Same, keyTrunks, "[]", "no provider is found in Asterisk; put yours in, so that no list cuts it off (--trunk)")
	case len(want) == len(have):
		p.choose(Yours, keyTrunks, flow(want), "as you have it, and nothing is missing")
	default:
		p.set(keyTrunks, flow(want), why, func(c *config.Config) { c.Firewall.Trunks = want },
			more(keyTrunks, want[len(have):], why), key(keyTrunks, flow(want), why))
	}
	return nil
}

// known reports whether a trunk is already protected and let in.
func (p *proposer) known(h config.Host) bool {
	fw := p.cfg.Firewall
	return slices.ContainsFunc(slices.Concat(fw.Trunks, p.cfg.Allow), func(o config.Host) bool {
		return o == h || h.Name == "" && o.Name == "" && contains(o.Prefix, h.Prefix)
	}) || h.Name == "" && slices.ContainsFunc(fw.LocalNetworks, func(n netip.Prefix) bool { return contains(n, h.Prefix) })
}

// flow formats a list on one line, with quotes around items that have a colon.
func flow[T fmt.Stringer](all []T) string {
	var words []string
	for _, v := range all {
		words = append(words, quoted(v))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func quoted(v fmt.Stringer) string {
	if text := v.String(); strings.Contains(text, ":") {
		return `"` + text + `"`
	}
	return v.String()
}
