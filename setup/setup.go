package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/migrate"
	"github.com/voipbl/voipbl/packaging"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/survey"
	"github.com/voipbl/voipbl/takeover"
	"github.com/voipbl/voipbl/trial"
)

// Options are what the admin asks of setup.
type Options struct {
	ConfigFile string
	Version    string // of this program

	Look             survey.Options
	Yes, DryRun      bool     // Yes: do not ask; DryRun: propose only
	Base             bool     // use base rules
	Migrate          bool     // remove the published voipbl.sh
	Connect          bool     // have Asterisk tell voipbl what it sees
	Copies           *bool    // and copy its SIP messages, or not; nil leaves that as it is
	Networks, Trunks []string // the admin's, in addition to those found on the host

	Confirm, Wait time.Duration // how long a trial lasts; how long to wait for another voipbl process

	// Command returns the command line as it was typed, with these words in place of the options
	// that decide what becomes of the proposal.
	Command func(words ...string) string

	// Rollback returns the command that rolls rules back.
	Rollback func(config.Config) trial.Rollback
}

// setup is one run of the verb.
type setup struct {
	*screen.Screen
	Options
	report  Report
	old     []byte // the present configuration; nil if there is none
	asks    *screen.Asker
	owners  []string // the other owners of rules in the kernel
	baseWas bool
	watched bool           // the present configuration has the PBX watched
	request advise.Request // the request that the proposal answers
	wish    bool           // base rules were requested, and did not fit yet
}

// Report is what setup --json prints.
type Report struct {
	Outcome  string            `json:"outcome"` // one of the constants below
	Facts    survey.Facts      `json:"facts"`
	Choices  []advise.Choice   `json:"choices"`
	BaseFits bool              `json:"base_fits"`
	Base     advise.BaseAdvice `json:"base"`
	Openings []advise.Opening  `json:"openings"` // what the proposed base rules let in
	Closed   []lockout.Closed  `json:"closed"`   // the listeners that they close
	Config   string            `json:"config"`   // the proposed text

	// TakesAway is what the configuration would take away from that of the running agent.
	TakesAway []string `json:"takes_away,omitempty"`

	// Unresolved are names of trunks that have no known address yet, so no rule lets them in.
	Unresolved []string `json:"unresolved,omitempty"`

	// OtherLists are sets of other programs whose members are dropped.
	OtherLists []string `json:"other_blocklists,omitempty"`

	// Script is what runs the published voipbl.sh, and Migrated what was removed of it.
	Script   []string          `json:"script,omitempty"`
	Migrated *migrate.Migrated `json:"migrated,omitempty"`

	// Connected is what became of connecting Asterisk.
	Connected *Connected `json:"connected,omitempty"`

	Written string                `json:"written,omitempty"`
	Backup  string                `json:"backup,omitempty"`
	Rules   []rules.Shown         `json:"rules,omitempty"` // if base rules are on
	Applied *rules.Report         `json:"applied,omitempty"`
	Sync    *blocklist.SyncReport `json:"sync,omitempty"`
	Next    []string              `json:"next"`
	Error   *problem.Problem      `json:"error,omitempty"` // why the configuration is not applied
}

// These are the values of Report.Outcome.
const (
	outcomeProposed   = "proposed" // nothing was changed
	outcomeInForce    = "in-force"
	outcomeOnTrial    = "on-trial" // in force, but the base rules lapse unless confirmed
	outcomeTroubled   = "troubled" // in force, but something is wrong, such as a stale list
	outcomeNotApplied = "not-applied"
)

// Run looks at the host, proposes, asks, writes and applies. The report is nil if it fails before
// there is anything to report. An [exit.Error] carries the exit code of the command.
func Run(ctx context.Context, on *screen.Screen, opts Options) (*Report, error) {
	s := &setup{Screen: on, Options: opts}
	s.report.Outcome, s.report.Next = outcomeProposed, []string{}
	if !s.Yes && !s.DryRun && !s.JSON {
		s.asks = screen.NewAsker(s.Out)
	}
	p, err := s.propose(ctx)
	if s.asks != nil && s.Base && errors.As(err, new(*advise.RefusedError)) { // the answers may change that
		s.Base, s.wish = false, true
		p, err = s.propose(ctx)
	}
	if err != nil {
		return nil, err
	}
	agreed, err := s.agree(ctx, &p)
	if errors.Is(err, context.Canceled) {
		return nil, &exit.Error{Code: exit.Proposed, Err: errors.New("interrupted: nothing was changed")}
	}
	if err != nil {
		return nil, err
	}
	err = &exit.Error{Code: exit.Proposed}
	if agreed {
		err = s.putInForce(ctx, p)
	} else if s.DryRun {
		err = nil
	}
	if exit := (*exit.Error)(nil); errors.As(err, &exit) && exit.Err != nil {
		s.report.Error = &problem.Problem{Error: exit.Err.Error(), Remedy: problem.RemedyOf(exit.Err)}
	}
	s.finish(p, agreed)
	return &s.report, err
}

// propose looks at the host and makes a proposal that includes what the admin has asked for.
func (s *setup) propose(ctx context.Context) (*advise.Proposal, error) {
	var err error
	if s.old, err = os.ReadFile(s.ConfigFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &exit.Error{Code: exit.Usage, Err: configfile.Unread(err)}
	}
	cfg := config.Default()
	if s.old != nil {
		if cfg, err = configfile.Parse(s.ConfigFile, s.old); err != nil {
			return nil, &exit.Error{Code: exit.Usage, Err: err}
		}
	}
	s.baseWas, s.watched = cfg.Firewall.Base, cfg.PBX.Watched()
	kernel, err := reach.ReadKernelRules(ctx, cfg)
	if err != nil {
		return nil, &exit.Error{Code: exit.NotApplied, Err: err}
	}
	native, err := reach.ReadNative(ctx, kernel, true)
	if err != nil {
		fmt.Fprintln(s.Err, "voipbl: "+screen.Clean(err.Error()))
	}
	s.owners = reach.OtherOwners(kernel, native)
	s.report.Facts = survey.Look(ctx, s.Look)
	s.request = advise.Request{
		Facts: s.report.Facts, Rules: kernel, Native: native, Owners: s.owners, Text: s.old, Shipped: packaging.Config,
		Base: s.Base, Networks: s.Networks, Trunks: s.Trunks,
	}
	p, err := advise.Propose(s.request)
	if err != nil {
		return nil, &exit.Error{Code: exit.Usage, Err: err}
	}
	s.report.Script = advise.ScriptParts(cfg, s.report.Facts.Script, kernel)
	s.report.OtherLists = advise.OtherLists(cfg, kernel, native)
	s.report.TakesAway = takeover.TakesAway(ctx, p.Config)
	s.report.Choices, s.report.BaseFits, s.report.Config = p.Choices, p.BaseFits, p.Config.Redact(string(p.Text))
	return p, nil
}

// agree shows the proposal and, on a terminal, asks until the admin is content with it. It reports
// whether to apply it.
func (s *setup) agree(ctx context.Context, p **advise.Proposal) (bool, error) {
	if err := s.adviseBase(ctx, *p); err != nil {
		return false, err
	}
	if !s.JSON {
		s.printFacts()
		s.printScript()
		s.printChoices(*p)
	}
	on := s.report.Base.Advice == advise.BaseOn
	if s.asks == nil {
		switch {
		case s.JSON:
		case on:
			s.printAccess(*p)
			s.printAdvice()
		default:
			s.printAdvice()
			if !s.Yes && len(s.report.Openings) > 0 {
				s.printAccess(*p)
			}
		}
		return s.Yes, nil
	}
	if s.report.Base.Advice == advise.BaseUnfit { // the answers may change that
		s.printAdvice()
	}
	for {
		before := *s
		changed, err := s.question(ctx, *p)
		if err != nil {
			return false, err
		}
		if !changed {
			break
		}
		again, err := s.propose(ctx)
		if err == nil {
			before := (*p).Choices
			*p = again
			if err := s.adviseBase(ctx, *p); err != nil {
				return false, err
			}
			s.printChoices(*p, before...)
			break
		}
		s.ShowError(err) // such as for a malformed network: ask again
		s.Networks, s.Trunks = before.Networks, before.Trunks
	}
	if on {
		s.printAccess(*p)
		s.printAdvice()
	} else if err := s.agreeBase(ctx, p); err != nil {
		return false, err
	}
	if err := s.agreeMigrate(ctx); err != nil {
		return false, err
	}
	if err := s.agreeConnect(ctx); err != nil {
		return false, err
	}
	what := "Apply it?"
	if (*p).Changed {
		what = "Write " + s.ConfigFile + " and apply it?"
	}
	return s.asks.Yes(ctx, what, true)
}

// question asks what only the admin knows, and reports whether the answers change anything.
func (s *setup) question(ctx context.Context, p *advise.Proposal) (changed bool, err error) {
	fw := p.Config.Firewall
	networks, err := s.more(ctx, "More networks of yours and your phones, such as "+exampleNetwork(fw.LocalNetworks)+":", "local_networks", texts(fw.LocalNetworks))
	if err != nil {
		return false, err
	}
	trunks, err := s.more(ctx, "More SIP providers, such as sip.example.net or an address:", "trunks", texts(fw.Trunks))
	if err != nil {
		return false, err
	}
	s.Networks, s.Trunks = append(s.Networks, networks...), append(s.Trunks, trunks...)
	return len(networks)+len(trunks) > 0, nil
}

// exampleNetwork returns a private network that overlaps none of the known ones.
func exampleNetwork(known []netip.Prefix) string {
	for _, text := range []string{"192.168.1.0/24", "10.20.30.0/24"} {
		if n := netip.MustParsePrefix(text); !slices.ContainsFunc(known, n.Overlaps) {
			return text
		}
	}
	return "172.20.1.0/24"
}

// more asks for additions to a list of the firewall section, until the configuration accepts all of
// them. It refuses single words that do not resolve, such as "y", and asks once more about other
// names that do not, since they may be misspelled; an empty answer keeps them.
func (s *setup) more(ctx context.Context, question, key string, have []string) ([]string, error) {
	var doubted []string
	for {
		words, err := s.asks.Words(ctx, question, doubted)
		if err != nil {
			return nil, err
		}
		hosts, mistake := parseList(key, words)
		if mistake != nil {
			s.ShowError(mistake)
			continue
		}
		names := rules.WithoutAddress(ctx, hosts)
		if i := slices.IndexFunc(names, func(n string) bool { return !strings.Contains(n, ".") }); i >= 0 {
			s.ShowError(fmt.Errorf("%q: expected an address, or a name that has one, such as sip.example.net", names[i]))
			continue
		}
		if len(doubted) == 0 && len(names) > 0 {
			s.Folded("no address is known for " + strings.Join(names, ", ") + ": until it resolves, voipbl can neither let it in nor exempt it. Correct it, or press Enter to keep it")
			doubted = words
			continue
		}
		return slices.DeleteFunc(words, func(w string) bool { return slices.Contains(have, w) }), nil
	}
}

// parseList parses the words as the configuration does. It returns no hosts for a list of networks.
func parseList(key string, words []string) ([]config.Host, error) {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	cfg, err := config.Parse("", fmt.Appendf(nil, "firewall: {%s: [%s]}", key, strings.Join(quoted, ", ")))
	if mistake := (*config.Error)(nil); errors.As(err, &mistake) { // the first mistake
		return nil, fmt.Errorf("%s: %s", mistake.Problem, mistake.Expected)
	}
	return cfg.Firewall.Trunks, err
}

func texts[T fmt.Stringer](all []T) []string {
	var words []string
	for _, v := range all {
		words = append(words, v.String())
	}
	return words
}

// showRules puts the base rules, as they would be in the kernel, into the report for --json.
func (s *setup) showRules(ctx context.Context, p *advise.Proposal) error {
	shown, err := rules.Show(ctx, p.Config)
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	s.report.Rules = shown
	return nil
}
