package state

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
)

// SetsFile, in the run folder, records what was last written to the sets of this
// kernel. Every process of voipbl that writes the sets updates it, so that the agent
// can tell our changes from those of other programs.
const SetsFile = "sets"

// SetRecord is the content of SetsFile.
type SetRecord struct {
	Kernel string      `json:"kernel"` // see [firewall.Kernel]
	Sets   [2]SetPrint `json:"sets"`   // by family

	// Troubles has why the set of a family could not be filled the last time, and Remedies
	// what to do about it.
	Troubles [2]string `json:"troubles,omitzero"`
	Remedies [2]string `json:"remedies,omitzero"`

	// CutOff are those whom the lists have cut off while this host talked with them, of the last day.
	CutOff []impact.Past `json:"cut_off,omitempty"`

	Held   *impact.Held    `json:"held,omitempty"`   // newer lists wait
	Spared []impact.Spared `json:"spared,omitempty"` // whom lists have, and the sets do not
}

// NoteTroubles replaces the troubles of the families.
func (r *SetRecord) NoteTroubles(families []problem.FamilyProblem) {
	r.Troubles, r.Remedies = [2]string{}, [2]string{}
	for _, p := range families {
		r.Troubles[p.In], r.Remedies[p.In] = p.Error, p.Remedy
	}
}

// Families returns the troubles by family.
func (r *SetRecord) Families() (all []problem.FamilyProblem) {
	for f, trouble := range r.Troubles {
		if trouble != "" {
			all = append(all, problem.FamilyProblem{Family: iptables.Family(f).String(), Problem: problem.Problem{Reason: "error", Error: trouble, Remedy: r.Remedies[f]}, In: iptables.Family(f)})
		}
	}
	return all
}

// SetPrint is a fingerprint of one set.
type SetPrint struct {
	Name     string `json:"name"`
	Maxelem  uint32 `json:"maxelem"`
	Elements uint32 `json:"elements"` // in the kernel: the pieces in which the lists' entries are written

	// Own is the number of the lists' own entries. Lengths and OwnLengths are the prefix
	// lengths that occur in the kernel and in the own entries. All three are missing in a
	// record of an older version.
	Own        int   `json:"own,omitempty"`
	Lengths    []int `json:"lengths,omitempty"`
	OwnLengths []int `json:"own_lengths,omitempty"`

	// Memory differs between large sets with the same number of entries: each set has a
	// random seed, which decides how many entries fall into each bucket.
	Memory uint32 `json:"memory"`
	Digest string `json:"digest"` // of its entries, in hexadecimal, because JSON has no 64-bit numbers

	// Unfilled is true if no list was written to the set yet: it was made so that rules
	// can refer to it.
	Unfilled bool `json:"unfilled,omitempty"`
}

func DigestText(d uint64) string { return fmt.Sprintf("%016x", d) }

// ReadSetRecord reads SetsFile. Without one the record is empty.
func ReadSetRecord(run *fetch.Store) SetRecord {
	var r SetRecord
	if run == nil || run.ReadJSON(SetsFile, &r) != nil || r.Kernel != firewall.Kernel() {
		return SetRecord{Kernel: firewall.Kernel()}
	}
	return r
}

// Own returns how many of the lists' own entries the sets hold.
func (r SetRecord) Own() int { return r.Sets[cidr.IPv4].Own + r.Sets[cidr.IPv6].Own }

// Wrote reports whether voipbl has written entries to the sets of a configuration.
func (r SetRecord) Wrote(cfg config.Config) bool {
	for f, set := range r.Sets {
		if set.Name == cfg.SetName(f) && set.Elements > 0 {
			return true
		}
	}
	return false
}

// LastRecord returns the record in a configuration's run folder.
func LastRecord(cfg config.Config) SetRecord {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return SetRecord{}
	}
	defer run.Close()
	return ReadSetRecord(run)
}

// Note updates the record after plans were executed.
func (r *SetRecord) Note(plans []*ipsetsync.Plan) {
	for _, p := range plans {
		r.Sets[p.Family] = SetPrint{
			Name: p.Name, Maxelem: p.Header.Maxelem, Elements: uint32(p.After.Pieces), Memory: p.Header.Memory, Digest: DigestText(p.Digest),
			Own: p.After.Entries, Lengths: p.After.Lengths, OwnLengths: p.OwnLengths(),
		}
	}
}

// Write replaces the file if the record differs from before.
func (r *SetRecord) Write(run *fetch.Store, before SetRecord) error {
	if problem.Digest(r) == problem.Digest(before) {
		return nil
	}
	if err := run.WriteJSON(SetsFile, r); err != nil {
		return fmt.Errorf("what the sets hold is not remembered: %w", err)
	}
	return nil
}

// RecordMade records sets that were made empty so that rules can refer to them.
func RecordMade(cfg config.Config, plans []*ipsetsync.Plan) error {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return err
	}
	defer run.Close()
	before := ReadSetRecord(run)
	now := before
	now.Note(plans)
	for _, p := range plans {
		now.Sets[p.Family].Unfilled = true
	}
	return now.Write(run, before)
}

// Holds reports whether the set already held the entries of a plan when voipbl last
// wrote it.
func (p SetPrint) Holds(plan *ipsetsync.Plan) bool {
	return p.Name == plan.Name && p.Digest == DigestText(plan.Digest)
}

// Glance compares a set's header with its print. It returns what is wrong, in words, or
// "".
func (p SetPrint) Glance(h ipsetsync.Header, err error) string {
	switch {
	case errors.Is(err, ipsetsync.ErrNotFound):
		return fmt.Sprintf("the set %s was gone", p.Name)
	case err != nil:
		return "" // cannot be found out now
	case p.replaced(h) != "":
		return p.replaced(h)
	case h.Elements != p.Elements:
		in := ""
		if p.Own != int(p.Elements) { // people know the lists' own
			in = " in the kernel"
		}
		return fmt.Sprintf("the set %s had %d entries%s, not %d", p.Name, h.Elements, in, p.Elements)
	case h.Memory != p.Memory:
		return fmt.Sprintf("the set %s had other entries, or was another one", p.Name)
	}
	return ""
}

// replaced compares what a set is, without its entries.
func (p SetPrint) replaced(h ipsetsync.Header) string {
	why := h.Replaced(p.Maxelem)
	if h.Type != ipsetsync.TypeHashNet {
		why = "it was a " + h.Type
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("the set %s was another one: %s", p.Name, why)
}

// Study compares a set's whole content with its print: whether a sync would replace the set. It
// returns what is wrong, in words, or "".
func (p SetPrint) Study(c *ipsetsync.Content) string {
	if replaced := p.replaced(c.Header); replaced != "" {
		return replaced
	}
	if DigestText(c.Digest) != p.Digest || c.NoMatch > 0 {
		return fmt.Sprintf("the set %s had other entries", p.Name)
	}
	return ""
}

// Known reports whether the record has prints of the sets of a configuration.
func (r *SetRecord) Known(cfg config.Config) bool {
	return slices.ContainsFunc(cidr.Families[:], func(f cidr.Family) bool { return r.Knows(cfg, f) })
}

// Knows reports whether the record has a print of the set of one family. It has not if
// the set could not be filled: that is tried again, not compared.
func (r *SetRecord) Knows(cfg config.Config, f cidr.Family) bool {
	return r.Sets[f].Name == cfg.SetName(int(f)) && r.Troubles[f] == ""
}
