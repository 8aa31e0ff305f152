package blocklist

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/outbox"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// Status is the present state, read from the kernel and the state folder.
type Status struct {
	Version   string         `json:"version"`
	Protected bool           `json:"protected"` // the sets hold something, and a rule uses them
	Problems  []string       `json:"problems"`
	Sets      []SetStatus    `json:"sets"`
	BanSets   []SetStatus    `json:"ban_sets"` // the sets of this host's bans
	Rules     *rules.Status  `json:"rules"`
	Feeds     []feeds.Status `json:"feeds"`
	Kept      []feeds.Kept   `json:"kept,omitempty"` // entries in force of feeds whose last good copy is lost
	Bans      int            `json:"bans"`           // of this host
	Phones    int            `json:"phones"`         // registered phones that are known
	Trunks    int            `json:"trunks"`         // that the PBX has told of

	// CutOff are those whom the lists have cut off in the last day while this host talked with
	// them, the latest first. Exempt ones are left out, since they are blocked no more.
	CutOff []impact.Past `json:"cut_off,omitempty"`

	// Held is why newer lists wait. What was in force before them stays.
	Held *impact.Held `json:"held,omitempty"`

	// Spared are those on lists who are not blocked, since a call with them goes on.
	Spared []impact.Spared `json:"spared,omitempty"`

	// Unprotected are names of allow and trunks that have never been resolved.
	Unprotected []string `json:"unprotected,omitempty"`

	Names []exempt.NameStatus `json:"names,omitempty"` // of allow and trunks

	// AllowedProblem is what is wrong with the list of "voipbl allow".
	AllowedProblem *problem.Problem `json:"allowed_problem,omitempty"`

	// Spread are accounts that are registered from many addresses at once.
	Spread []known.Spread `json:"spread,omitempty"`

	// PhonesProblem is why registered phones are not known, or not let in by base rules.
	PhonesProblem *problem.Problem `json:"phones_problem,omitempty"`

	// PBXProblems is why the PBX is not watched as configured.
	PBXProblems []*problem.Problem `json:"pbx_problems,omitempty"`

	Fleet *FleetStatus `json:"fleet,omitempty"` // if this host is in one

	// FleetDocument is the operator's document; nil without a fleet or its key.
	FleetDocument *DocumentStatus `json:"fleet_document,omitempty"`

	watch      *link.Reported // what the watcher has told; nil if it does not run
	watchWords string

	// StateFolder is why something cannot be written to the state folder, by the agent or by
	// anybody.
	StateFolder *problem.Problem `json:"state_folder,omitempty"`

	// RunFolder is why the run folder cannot be written to.
	RunFolder *problem.Problem `json:"run_folder,omitempty"`

	// Saved are files of saved rules, loaded at boot, that use an old name of a set.
	Saved []reach.SavedTrouble `json:"saved,omitempty"`

	// DropLog is why the lines of log_drops may not appear.
	DropLog *problem.Problem `json:"drop_log,omitempty"`

	// ExemptBanned are exempt addresses that are banned, or that another rule drops.
	ExemptBanned []reach.ExemptBan `json:"exempt_banned,omitempty"`

	Reports *outbox.OutboxStatus `json:"reports,omitempty"` // reports to VoIPBL, if enabled

	Agent      *state.AgentStatus `json:"agent,omitempty"`       // if one is running
	AgentError *problem.Problem   `json:"agent_error,omitempty"` // an agent does not answer, or has died

	// Stopped has what each list had stopped when that was last written down, for the metrics.
	Stopped map[string]*hits.List `json:"-"`

	bansUnkept bool
	bansLost   *problem.Problem // bans of an older version that were lost
	banNotes   []string
	bansUnread *problem.Problem // why not all bans could be read

	MaxEntries feeds.EntryLimit `json:"max_entries"` // of one list

	// Families has the family that is not protected as configured while the other is.
	Families []problem.FamilyProblem `json:"families,omitempty"`

	// IPv6Left reports that IPv6 is left alone, as configured, although this host has IPv6
	// addresses.
	IPv6Left bool `json:"ipv6_left,omitempty"`

	remedies map[string]string // by problem
	taken    *problem.Problem  // why voipbl cannot use the names of its sets
	renamed  bool              // the configuration names other sets
	unasked  []string          // those, if they are there and another program's rules go on asking the former ones
	ownAsk   bool              // only voipbl's own rules ask the former ones
	file     File              // if something else is in force
	outlook  *rules.Report     // what the agent would do to the rules, if it was asked
}

// SetStatus is one kernel set.
type SetStatus struct {
	Name       string `json:"name"`
	Exists     bool   `json:"exists"`
	Type       string `json:"type,omitempty"`
	Entries    int    `json:"entries"`    // the lists' own
	Lengths    []int  `json:"lengths"`    // prefix lengths of these
	Memory     int64  `json:"memory"`     // bytes in the kernel
	Changed    bool   `json:"changed"`    // somebody else has changed it since voipbl wrote it
	Ours       bool   `json:"ours"`       // of the type and family that voipbl makes
	References int    `json:"references"` // rules and lists that use it
	Drops      bool   `json:"drops"`      // a rule of INPUT or PREROUTING drops its members
	Packets    uint64 `json:"packets"`    // matched by its present entries
	Bytes      uint64 `json:"bytes"`

	// What the kernel holds: the lists' own entries may be written in pieces, for fewer prefix
	// lengths, each of which the kernel probes for every packet.
	KernelEntries int   `json:"kernel_entries"`
	KernelLengths []int `json:"kernel_lengths"`

	emptied bool     // somebody else has taken out all that voipbl put into it
	unknown bool     // no record of what was put into it: after a removal, or without the run folder
	users   []string // lists and rules of others that use it, if it is not voipbl's
}

// File is a configuration file that is not what is in force.
type File struct {
	Mistake bool           // it has a mistake
	Config  *config.Config // what it says otherwise; nil if that is not known, or in force
}

// ReadStatus reads the state at the time now from the kernel, the state folder and a running
// agent. file is what the configuration file has, if cfg is from elsewhere.
func ReadStatus(ctx context.Context, cfg config.Config, version string, now time.Time, file File) (*Status, error) {
	agent, err := state.AskStatus(ctx, cfg)
	var outlook *rules.Report
	if agent != nil {
		outlook = askOutlook(ctx, cfg)
	}
	return StatusOf(ctx, cfg, version, now, agent, outlook, problem.If(err), file)
}

// StatusOf is ReadStatus for a caller that has asked the agent.
func StatusOf(ctx context.Context, cfg config.Config, version string, now time.Time, agent *state.AgentStatus, outlook *rules.Report, agentError *problem.Problem, file File) (*Status, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	// Without the state folder there is still the kernel's state.
	store, unread := state.FindStore(cfg)
	if store != nil {
		defer store.Close()
	}
	s := newStatus(version)
	s.Agent, s.outlook, s.AgentError, s.file = agent, outlook, agentError, file
	cfg = s.findNames(ctx, cfg, kernel)
	protected, err := exempt.GatherLast(ctx, cfg, store)
	if err != nil {
		return nil, err
	}
	s.MaxEntries = feeds.LimitOf(cfg.Limits)
	s.Unprotected, s.Names, s.AllowedProblem = protected.Unprotected, protected.Names, protected.AllowedProblem
	s.PBXProblems, s.watch = pbxProblems(cfg, agent, agentError, now), heard(cfg.PBX, agent, now)
	s.watchWords = watchWords(cfg.PBX, agent, now)
	s.FleetDocument = documentStatus(cfg, version, agent)
	s.Trunks = len(known.ReadTrunks(cfg).All)
	phones, unreadable := known.Read(cfg)
	s.Phones, s.Spread, s.PhonesProblem = len(phones.Phones), phones.Spread(), cmp.Or(unreadable, foreignPhones(cfg, kernel), known.Unkept(cfg))
	if err := s.look(ctx, cfg, now, store, protected.Trunks, kernel, wholeSets{kernel}); err != nil {
		return nil, err
	}
	exempts := func(a netip.Addr) bool { return protected.Exempts(netip.PrefixFrom(a, a.BitLen())) }
	s.CutOff = slices.DeleteFunc(s.CutOff, func(c impact.Past) bool { return exempts(c.Address) })
	s.Spared = slices.DeleteFunc(s.Spared, func(c impact.Spared) bool { return exempts(c.Address) })
	if s.ExemptBanned, err = reach.FindExemptBans(ctx, cfg, kernel, protected, s.Rules.Kernel); err != nil {
		return nil, err
	}
	s.ExemptBanned = slices.DeleteFunc(s.ExemptBanned, s.Rules.Tells)
	for i := range s.ExemptBanned {
		s.ExemptBanned[i].SyncRefused = agent.Refuses()
	}
	s.IPv6Left = cfg.Firewall.IPv6 == config.IPv6Off && reachedOverIPv6()
	for i := range s.Sets {
		s.Sets[i].noteUsers(ctx, kernel)
	}
	s.bansUnkept, s.bansLost = bans.UnkeptBans(cfg), bans.LostBans(cfg)
	banned, notes, err := bans.Read(cfg)
	s.Bans, s.banNotes, s.bansUnread = len(banned), notes, problem.If(err)
	s.Fleet = fleetStatus(cfg.Fleet, agent, agentError, ofFleet(banned), units.Systemd(), now)
	s.Spared = slices.DeleteFunc(s.Spared, func(c impact.Spared) bool {
		return slices.ContainsFunc(banned, func(b bans.Ban) bool { return b.Prefix.Contains(c.Address) })
	})
	if cfg.Report.Enabled {
		s.Reports = outbox.ReadOutbox(cfg, now)
	}
	s.StateFolder, s.RunFolder = state.StateFolderOf(cfg, agent), state.RunFolder(cfg).Trouble()
	s.DropLog = rules.DropLogNote(cfg)
	s.Saved = reach.SavedRenamed(host.SavedRules("/"), cfg)
	kept, keptErr := feeds.ReadKept(store, cfg, false)
	s.Kept = kept
	s.judge()
	if err := errors.Join(unread, keptErr); err != nil {
		s.problem(problem.Of(err).Remedy, "%v", err)
	}
	return s, nil
}

// foreignPhones returns a set of registered phones that somebody else made, as a problem; nil if
// there is none.
func foreignPhones(cfg config.Config, kernel *ipsetsync.Kernel) *problem.Problem {
	if !cfg.KnowsPhones() {
		return nil
	}
	for _, f := range cidr.Families {
		h, err := kernel.Header(cfg.KnownSetName(int(f)))
		if err != nil {
			continue // the rules that name it need it, and are reported
		}
		if err := ipsetsync.CheckKnownSet(h, f); err != nil {
			p := problem.Of(err)
			p.Error += ", so base rules limit registered phones and learned trunks like everybody else"
			return p
		}
	}
	return nil
}

func newStatus(version string) *Status {
	return &Status{Version: version, Problems: []string{}, Sets: []SetStatus{}, BanSets: []SetStatus{}, Feeds: []feeds.Status{}}
}

// findNames returns the configuration with the names of the sets in force, and notes whether those
// are other names.
func (s *Status) findNames(ctx context.Context, named config.Config, kernel *ipsetsync.Kernel) (cfg config.Config) {
	cfg, taken := setnames.NamesUsed(ctx, named, kernel)
	s.taken = problem.If(taken)
	if s.renamed = setnames.NamesOf(cfg) != setnames.NamesOf(named); s.renamed && setnames.NamesOf(setnames.NamesOfApply(ctx, named)) == setnames.NamesOf(named) {
		s.unasked = []string{named.Set, named.BanSet}
		s.ownAsk = setnames.OnlyOwnAsk(ctx, cfg)
	}
	return cfg
}

// look is the part of the status that decides whether the host is protected, with all that metrics
// tell: rules, sets and feeds.
func (s *Status) look(ctx context.Context, cfg config.Config, now time.Time, store *fetch.Store, trunks []netip.Prefix, kernel *ipsetsync.Kernel, sets setReader) error {
	s.Rules = rules.StatusOf(ctx, cfg, kernel, store, trunks, s.Agent, s.outlook)
	s.Rules.Pending.UnsetBy(s.file.Config)
	if !s.Rules.Unread {
		s.Rules.Problem = rules.LeaveBase(s.Rules.Problem, s.Agent)
	}
	s.Rules.Remedies(s.Mended)
	record := state.LastRecord(cfg)
	s.Families = slices.Concat(record.Families(), s.Rules.Families)
	s.CutOff, s.Held, s.Spared = impact.Recent(record.CutOff, now), record.Held, record.Spared
	for _, f := range cidr.Families {
		set, err := sets.list(cfg.SetName(int(f)), f, record.Sets[f])
		if err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
			return err
		}
		set.Drops = s.Rules.DropsSet(set.Name)
		set.emptied = set.Ours && set.KernelEntries == 0 && record.Sets[f].Name == set.Name && record.Sets[f].Own > 0
		s.Sets = append(s.Sets, set)
	}
	for _, f := range cidr.Families {
		set, err := sets.bans(cfg.BanSetName(int(f)), f)
		if err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
			return err
		}
		set.Drops = s.Rules.DropsSet(set.Name)
		s.BanSets = append(s.BanSets, set)
	}
	for _, status := range feeds.Statuses(store, cfg.Feeds, now) {
		if a := s.Agent; a != nil {
			status.Next, status.Fetching = a.Next[status.Name], slices.Contains(a.FetchingFeeds, status.Name)
		}
		status.AdviseFetch(s.Agent != nil)
		if status.Problem != nil {
			status.Problem.Remedy = s.Mended(status.Problem.Remedy)
		}
		s.Feeds = append(s.Feeds, status)
	}
	return nil
}

// foreignRemedy is what to do about a set that somebody else made.
func (s *Status) foreignRemedy(set SetStatus) string {
	if len(set.users) > 0 {
		return (&ipsetsync.InUseError{}).Remedy()
	}
	return s.repairs()
}

// Mended adapts a remedy so that it works on this host as it is now; see [rules.Mended].
func (s *Status) Mended(remedy string) string {
	if s.file.Mistake {
		return rules.Mended(remedy)
	}
	return rules.ByTheFile(remedy, s.file.Config, s.Agent.Refuses())
}

// Unresolved are the names that were never resolved.
func (s *Status) Unresolved() []exempt.Unresolved {
	var all []exempt.Unresolved
	for _, name := range s.Unprotected {
		u := exempt.Unresolved{Name: name, Of: "allow or trunks", Remedy: "write its address instead, or mend DNS"}
		i := slices.IndexFunc(s.Names, func(n exempt.NameStatus) bool { return n.Name == name })
		if i >= 0 && len(s.Names[i].Reasons) > 0 {
			u.Of, u.Remedy = s.Names[i].Of(), s.Names[i].UnresolvedRemedy(u.Remedy)
		}
		all = append(all, u)
	}
	return all
}
