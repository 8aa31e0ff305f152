package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// CheckReport is what is known about one address or prefix.
type CheckReport struct {
	Query     string        `json:"query"`
	Blocked   bool          `json:"blocked"`         // all of it is in one of the kernel's sets, now
	Partly    int           `json:"partly"`          // entries of the kernel's set inside the query, if not all of it
	Set       string        `json:"set"`             // where it is or would be
	Note      string        `json:"note,omitempty"`  // why the set's word is not the last
	Entry     *netip.Prefix `json:"entry,omitempty"` // the entry that covers it
	Packets   uint64        `json:"packets"`         // that the entry has counted
	Bytes     uint64        `json:"bytes"`
	Listed    []Listing     `json:"listed"`
	Kept      []Kept        `json:"kept,omitempty"`           // of feeds whose last good copy is lost: any of it
	Banned    *Ban          `json:"banned,omitempty"`         // the last ban of this host that covers any of it
	Bans      []Ban         `json:"bans"`                     // all of them
	BanSet    string        `json:"ban_set,omitempty"`        // the set of bans that blocks all of it, now
	BanEnds   *float64      `json:"ban_ends,omitempty"`       // in how many seconds that does so no more, if ever
	Fail2ban  string        `json:"fail2ban,omitempty"`       // the set of fail2ban's that it is in
	FailEntry *netip.Prefix `json:"fail2ban_entry,omitempty"` // and the entry of that set
	Protected []Protected   `json:"protected"`
	Exempt    bool          `json:"exempt"`            // all of it is never blocked
	Special   string        `json:"special,omitempty"` // the special-purpose space it is in
}

// Listing is a line of a feed's copy that names the address.
type Listing struct {
	Feed   string `json:"feed"`
	File   string `json:"file"` // URL or file
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Prefix string `json:"prefix"`
	Reject string `json:"reject,omitempty"` // why the line is not in force
}

// maxListings bounds the lines that are reported for one query.
const maxListings = 100

// Check tells about each query what the kernel does with it now, and why.
func Check(ctx context.Context, cfg config.Config, queries []netip.Prefix) ([]CheckReport, []string, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, nil, err
	}
	defer kernel.Close()
	store, err := findStore(cfg)
	if err != nil {
		return nil, nil, err
	}
	if store != nil {
		defer store.Close()
	}
	protected, err := lastProtection(ctx, cfg, store)
	if err != nil {
		return nil, nil, err
	}
	reports := make([]CheckReport, len(queries))
	for i, q := range queries {
		reports[i] = CheckReport{Query: queryText(q), Listed: []Listing{}, Bans: []Ban{}, Protected: []Protected{}}
		reports[i].Protected = append(reports[i].Protected, protected.Covering(q)...)
		reports[i].Exempt = protected.exempts(q)
		if s, ok := cidr.FindSpecial(cidr.FromNetip(q)); ok {
			reports[i].Special = s.Name + " (" + s.Prefix.String() + ", " + s.Source + ")"
		}
	}
	if err := checkKernel(cfg, kernel, queries, reports); err != nil {
		return nil, nil, err
	}
	if err := checkOwnBans(cfg, kernel, queries, reports); err != nil {
		return nil, nil, err
	}
	if err := checkBans(kernel, queries, reports); err != nil {
		return nil, nil, err
	}
	var warnings []string
	if agentDiffers(ctx, cfg) {
		warnings = append(warnings, differs)
	}
	bans, notes, err := ReadBans(cfg)
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
	kept, err := readKept(store, cfg, true)
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	for i, q := range queries {
		for _, k := range kept {
			if k.sets.Overlaps(cidr.FromNetip(q)) {
				reports[i].Kept = append(reports[i].Kept, k)
			}
		}
	}
	for _, f := range cfg.Feeds {
		if store == nil {
			break
		}
		if err := checkFeed(cfg, store, f.Name, queries, reports); err != nil && !isAbsent(err) {
			warnings = append(warnings, err.Error())
		}
	}
	return reports, warnings, nil
}

// findStore opens the state folder to read from, and returns nil if there is
// none yet.
func findStore(cfg config.Config) (*fetch.Store, error) {
	store, err := fetch.FindStore(cfg.StateDir)
	if isAbsent(err) {
		return nil, nil
	}
	return store, err
}

// ParseQuery reads what Check is asked about: an address or a prefix.
func ParseQuery(s string) (netip.Prefix, error) {
	p, err := cidr.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return p.Netip(), nil
}

func queryText(q netip.Prefix) string {
	if q.IsSingleIP() {
		return q.Addr().String()
	}
	return q.String()
}

// checkKernel looks the queries up in the live sets. A set that does not exist
// blocks nothing.
func checkKernel(cfg config.Config, kernel *ipsetsync.Kernel, queries []netip.Prefix, reports []CheckReport) error {
	for _, f := range cidr.Families {
		live, err := kernel.Dump(setName(cfg, f))
		if errors.Is(err, ipsetsync.ErrNotFound) {
			live, err = &ipsetsync.Live{}, nil
		}
		if err != nil {
			return err
		}
		for i, q := range queries {
			p := cidr.FromNetip(q)
			if p.Family() != f {
				continue
			}
			r := &reports[i]
			r.Set, r.Note = setName(cfg, f), setNote(live.Header, f)
			count, ok := live.Find(p)
			if !ok {
				r.Partly = live.Within(p)
				continue
			}
			entry := count.Prefix.Netip()
			r.Blocked, r.Entry, r.Packets, r.Bytes = true, &entry, count.Packets, count.Bytes
		}
	}
	return nil
}

// checkOwnBans looks the queries up in the sets of this host's own bans.
func checkOwnBans(cfg config.Config, kernel *ipsetsync.Kernel, queries []netip.Prefix, reports []CheckReport) error {
	for _, f := range cidr.Families {
		name := cfg.BanSetName(int(f))
		live, entries, err := kernel.OwnBans(name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for i, q := range queries {
			p, r := cidr.FromNetip(q), &reports[i]
			if p.Family() != f {
				continue
			}
			count, ok := live.Find(p)
			if !ok {
				r.Partly += live.Within(p)
				continue
			}
			r.BanSet = name
			if left := entries[count.Prefix]; left != ipsetsync.Forever {
				r.BanEnds = new(left.Seconds())
			}
			if !r.Blocked {
				entry := count.Prefix.Netip()
				r.Blocked, r.Set, r.Entry, r.Packets, r.Bytes = true, name, &entry, count.Packets, count.Bytes
				r.Note = banSetNote(live.Header, f)
			}
		}
	}
	return nil
}

// banSetNote says what keeps a set from being what voipbl makes for bans.
func banSetNote(h ipsetsync.Header, f cidr.Family) string {
	if err := ipsetsync.CheckBanSet(h, f); err != nil {
		return err.Error()
	}
	if h.References == 0 {
		return "no rule uses the set, so nothing is dropped yet"
	}
	return ""
}

// checkBans looks the queries up in the sets that fail2ban fills, whatever their type.
func checkBans(kernel *ipsetsync.Kernel, queries []netip.Prefix, reports []CheckReport) error {
	sets, err := setsOfBans(kernel, isFail2ban)
	if err != nil {
		return err
	}
	for _, live := range sets {
		for i, q := range queries {
			if p := cidr.FromNetip(q); p.Family() == live.Family && reports[i].Fail2ban == "" {
				if entry, ok := live.Find(p); ok {
					banned := entry.Prefix.Netip()
					reports[i].Fail2ban, reports[i].FailEntry = live.Name, &banned
				}
			}
		}
	}
	return nil
}

// setNote says what keeps a set from being what voipbl would make of it.
func setNote(h ipsetsync.Header, f cidr.Family) string {
	switch {
	case h.Name == "":
		return "the kernel has no such set: run \"voipbl sync\""
	case !ipsetsync.IsOurs(h, f):
		return fmt.Sprintf("the set of that name is a %s of %s, which somebody else made", h.Type, h.Family)
	case h.References == 0:
		return "no rule uses the set, so nothing is dropped yet"
	}
	return ""
}

// checkFeed finds the lines of a feed's last good copy that name a query.
func checkFeed(cfg config.Config, store *fetch.Store, name string, queries []netip.Prefix, reports []CheckReport) error {
	c, err := store.Open(name)
	if err != nil {
		return err
	}
	defer c.Close()
	policy := policyOf(cfg.Limits)
	for part, in := range c.Parts() {
		sc := cidr.NewScanner(in)
		for sc.Scan() {
			for _, p := range sc.Prefixes() {
				for i, q := range queries {
					if !p.Overlaps(cidr.FromNetip(q)) || len(reports[i].Listed) == maxListings {
						continue
					}
					l := Listing{Feed: name, File: part.Name, Line: sc.Line(), Text: string(sc.Text()), Prefix: p.String()}
					if policy.TooWide(sc.Prefixes()) {
						l.Reject = cidr.TooWide.String()
					}
					reports[i].Listed = append(reports[i].Listed, l)
				}
			}
		}
		if err := sc.Err(); err != nil {
			return err
		}
	}
	return c.Verify()
}
