package blocklist

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/state"
)

// CheckReport is what is known about one address or prefix.
type CheckReport struct {
	Query     string             `json:"query"`
	Blocked   bool               `json:"blocked"`         // the verdict is Blocked
	Verdict   reach.Verdict      `json:"verdict"`         // what happens to its packets now
	Places    []reach.Place      `json:"places"`          // where they are dropped, or may be
	Unread    []string           `json:"unread"`          // why there may be more places
	Partly    int                `json:"partly"`          // entries of voipbl's sets inside the query, if none covers all of it
	Set       string             `json:"set"`             // voipbl's set that has or would have it
	Note      string             `json:"note,omitempty"`  // why being in the set, or not, does not decide
	Entry     *netip.Prefix      `json:"entry,omitempty"` // the set's entry that covers the query
	Packets   uint64             `json:"packets"`         // counted by the entry
	Bytes     uint64             `json:"bytes"`
	Listed    []Listing          `json:"listed"`
	Kept      []feeds.Kept       `json:"kept,omitempty"`           // of feeds whose last good copy is lost: what overlaps the query
	Banned    *bans.Ban          `json:"banned,omitempty"`         // this host's last ban that overlaps the query
	Bans      []bans.Ban         `json:"bans"`                     // all bans of this host that overlap it
	BanSet    string             `json:"ban_set,omitempty"`        // the set of bans that blocks all of it, now
	BanEnds   *float64           `json:"ban_ends,omitempty"`       // seconds until that ends, if it ends
	Fail2ban  string             `json:"fail2ban,omitempty"`       // fail2ban's set that has it
	FailEntry *netip.Prefix      `json:"fail2ban_entry,omitempty"` // the entry of that set
	Because   []exempt.Protected `json:"because"`
	Exempt    bool               `json:"exempt"`             // all of it is never blocked
	Unlisted  []exempt.Protected `json:"unlisted,omitempty"` // addresses in it that no list blocks, but a ban does
	ByNoList  bool               `json:"-"`                  // no list blocks any of it
	Special   string             `json:"special,omitempty"`  // the special-purpose space it is in
}

// Listing is a line of a feed's copy that names the address.
type Listing struct {
	Feed   string `json:"feed"`
	File   string `json:"file"`             // URL or file
	Mirror string `json:"mirror,omitempty"` // the host of the fleet that has fetched the list for this one
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Prefix string `json:"prefix"`
	Reject string `json:"reject,omitempty"` // why the line is not in force
}

// maxListings bounds the lines that are reported for one query.
const maxListings = 100

// Check reports, for each query, what the kernel does with its packets now, and why.
func Check(ctx context.Context, cfg config.Config, queries []netip.Prefix) ([]CheckReport, []string, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, nil, err
	}
	defer kernel.Close()
	store, err := state.FindStore(cfg)
	if err != nil {
		return nil, nil, err
	}
	if store != nil {
		defer store.Close()
	}
	protected, err := exempt.GatherLast(ctx, cfg, store)
	if err != nil {
		return nil, nil, err
	}
	registered, _ := known.Read(cfg) // status reports what cannot be read
	lists, err := protected.FromLists(registered)
	if err != nil {
		return nil, nil, err
	}
	exemptions := protected.Exemptions(queries, lists)
	reports := make([]CheckReport, len(queries))
	for i, q := range queries {
		e := exemptions[i]
		reports[i] = CheckReport{
			Query: cidr.Text(q), Places: []reach.Place{}, Unread: []string{}, Listed: []Listing{}, Bans: []bans.Ban{},
			Because: e.Because, Exempt: e.Exempt, Unlisted: e.Unlisted, ByNoList: e.ByNoList, Special: e.Special,
		}
	}
	places := reach.FindPlaces(ctx, cfg, kernel)
	if err := checkKernel(cfg, places, queries, reports); err != nil {
		return nil, nil, err
	}
	if err := checkOwnBans(cfg, kernel, queries, reports); err != nil {
		return nil, nil, err
	}
	if err := checkBans(places, queries, reports); err != nil {
		return nil, nil, err
	}
	agent, _ := state.AskStatus(ctx, cfg) // status reports an agent that hangs
	for i, q := range queries {
		reports[i].findPlaces(places, q, agent.Refuses())
	}
	var warnings []string
	if slices.ContainsFunc(reports, func(r CheckReport) bool { return !r.Exempt }) {
		for _, name := range protected.Unprotected {
			warnings = append(warnings, name+" of allow or trunks was never resolved: what it stands for is exempt once \"voipbl sync\" has asked")
		}
	}
	bans, notes, err := bans.Read(cfg)
	warnings = append(warnings, notes...)
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	for i, q := range queries {
		for _, b := range bans {
			if b.Prefix.Overlaps(q) {
				reports[i].Banned = &b
				reports[i].Bans = append(reports[i].Bans, b)
			}
		}
	}
	kept, err := feeds.ReadKept(store, cfg, true)
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	for i, q := range queries {
		for _, k := range kept {
			if k.Sets.Overlaps(cidr.FromNetip(q)) {
				reports[i].Kept = append(reports[i].Kept, k)
			}
		}
	}
	for _, f := range cfg.Feeds {
		if store == nil {
			break
		}
		if err := checkFeed(cfg, store, f.Name, queries, reports); err != nil && !problem.IsAbsent(err) {
			warnings = append(warnings, err.Error())
		}
	}
	record := state.LastRecord(cfg)
	for i, q := range queries {
		reports[i].explainAbsence(record, q)
	}
	return reports, warnings, nil
}

// explainAbsence says why the sets do not have what a list has, if that was decided: a call goes on, or newer
// lists wait.
func (r *CheckReport) explainAbsence(record state.SetRecord, q netip.Prefix) {
	listed := slices.ContainsFunc(r.Listed, func(l Listing) bool { return l.Reject == "" })
	if r.Note != "" || r.Entry != nil || r.ByNoList || !listed {
		return
	}
	for _, s := range record.Spared {
		if q.Contains(s.Address) {
			r.Note = fmt.Sprintf("%s is spared while its call goes on, until %s at the latest", s.Address, s.Until().Local().Format("15:04"))
			return
		}
	}
	if record.Held != nil {
		r.Note = "newer lists wait for the end of a call or connection: see \"voipbl status\""
	}
}

// ParseQuery parses a query for Check: an address or a prefix.
func ParseQuery(s string) (netip.Prefix, error) {
	p, err := cidr.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return p.Netip(), nil
}

// checkFeed finds the lines of a feed's last good copy that name a query.
func checkFeed(cfg config.Config, store *fetch.Store, name string, queries []netip.Prefix, reports []CheckReport) error {
	policy := feeds.PolicyOf(cfg.Limits)
	past, _ := store.State(name) // without it, the mirror is not named
	return feeds.EachLine(store, name, func(part fetch.Part, sc *cidr.Scanner) {
		for _, p := range sc.Prefixes() {
			for i, q := range queries {
				if !p.Overlaps(cidr.FromNetip(q)) || len(reports[i].Listed) == maxListings {
					continue
				}
				l := Listing{Feed: name, File: part.Name, Mirror: past.Mirror, Line: sc.Line(), Text: string(sc.Text()), Prefix: p.String()}
				if policy.TooWide(sc.Prefixes()) {
					l.Reject = cidr.TooWide.String()
				}
				reports[i].Listed = append(reports[i].Listed, l)
			}
		}
	})
}
