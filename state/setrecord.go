package state

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
)

// SetsFile is what was last put into the sets of this kernel, in the run folder.
// Every process of ours that writes the sets writes it down there, so that the
// agent can tell our own changes from those of others.
const SetsFile = "sets"

// SetRecord is the content of that file.
type SetRecord struct {
	Kernel string      `json:"kernel"` // see [firewall.Kernel]
	Sets   [2]SetPrint `json:"sets"`   // by family

	// Troubles are why the set of a family could not be filled the last time, and Remedies
	// what to do about it.
	Troubles [2]string `json:"troubles,omitzero"`
	Remedies [2]string `json:"remedies,omitzero"`
}

// NoteTroubles replaces what is known of families whose set could not be filled.
func (r *SetRecord) NoteTroubles(families []problem.FamilyProblem) {
	r.Troubles, r.Remedies = [2]string{}, [2]string{}
	for _, p := range families {
		r.Troubles[p.In], r.Remedies[p.In] = p.Error, p.Remedy
	}
}

// Families are those troubles.
func (r *SetRecord) Families() (all []problem.FamilyProblem) {
	for f, trouble := range r.Troubles {
		if trouble != "" {
			all = append(all, problem.FamilyProblem{Family: firewall.Family(f).String(), Problem: problem.Problem{Reason: "error", Error: trouble, Remedy: r.Remedies[f]}, In: firewall.Family(f)})
		}
	}
	return all
}

// SetPrint tells one set from all others.
type SetPrint struct {
	Name     string `json:"name"`
	Maxelem  uint32 `json:"maxelem"`
	Elements uint32 `json:"elements"`

	// Memory tells one large set from another with as many entries: each has a
	// random seed, which decides how many fall into each bucket.
	Memory uint32 `json:"memory"`
	Digest string `json:"digest"` // of its entries, in hexadecimal: JSON has no 64-bit numbers

	// Unfilled is that no list was put into it yet: rules needed a set to name.
	Unfilled bool `json:"unfilled,omitempty"`
}

func DigestText(d uint64) string { return fmt.Sprintf("%016x", d) }

// ReadSetRecord reads it; without one nothing is known.
func ReadSetRecord(run *fetch.Store) SetRecord {
	var r SetRecord
	if run == nil || run.ReadJSON(SetsFile, &r) != nil || r.Kernel != firewall.Kernel() {
		return SetRecord{Kernel: firewall.Kernel()}
	}
	return r
}

// Wrote reports whether voipbl has put entries into the sets that a configuration names.
func (r SetRecord) Wrote(cfg config.Config) bool {
	for f, set := range r.Sets {
		if set.Name == cfg.SetName(f) && set.Elements > 0 {
			return true
		}
	}
	return false
}

// LastRecord is that of a configuration's run folder.
func LastRecord(cfg config.Config) SetRecord {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return SetRecord{}
	}
	defer run.Close()
	return ReadSetRecord(run)
}

// Note writes down what plans that were just executed have made of the sets.
func (r *SetRecord) Note(kernel *ipsetsync.Kernel, plans []*ipsetsync.Plan) error {
	for _, p := range plans {
		h, err := kernel.Header(p.Name)
		if err != nil {
			return err
		}
		r.Sets[p.Family] = SetPrint{Name: p.Name, Maxelem: h.Maxelem, Elements: uint32(p.Entries().Len()), Memory: h.Memory, Digest: DigestText(ipsetsync.Digest(p.Entries()))}
	}
	return nil
}

// Write replaces the file, if there is something new.
func (r *SetRecord) Write(run *fetch.Store, before SetRecord) error {
	if *r == before {
		return nil
	}
	if err := run.WriteJSON(SetsFile, r); err != nil {
		return fmt.Errorf("what the sets hold is not remembered: %w", err)
	}
	return nil
}

// RecordMade notes sets that were made empty, so that rules can name them.
func RecordMade(cfg config.Config, kernel *ipsetsync.Kernel, plans []*ipsetsync.Plan) error {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return err
	}
	defer run.Close()
	before := ReadSetRecord(run)
	now := before
	if err := now.Note(kernel, plans); err != nil {
		return err
	}
	for _, p := range plans {
		now.Sets[p.Family].Unfilled = true
	}
	return now.Write(run, before)
}

// Holds reports whether the set held already what a plan puts into it, the last time
// that one of us wrote it.
func (p SetPrint) Holds(plan *ipsetsync.Plan) bool {
	return p.Name == plan.Name && p.Digest == DigestText(ipsetsync.Digest(plan.Entries()))
}

// Glance compares a set with its print by what a look at its header tells. It
// returns in words what is wrong, or "".
func (p SetPrint) Glance(h ipsetsync.Header, err error) string {
	switch {
	case errors.Is(err, ipsetsync.ErrNotFound):
		return fmt.Sprintf("the set %s was gone", p.Name)
	case err != nil:
		return "" // it cannot be told now
	case h.Type != ipsetsync.TypeHashNet || h.Maxelem != p.Maxelem || !h.Counters:
		return fmt.Sprintf("the set %s was another one (%s, maxelem %d)", p.Name, h.Type, h.Maxelem)
	case h.Elements != p.Elements:
		return fmt.Sprintf("the set %s had %d entries, not %d", p.Name, h.Elements, p.Elements)
	case h.Memory != p.Memory:
		return fmt.Sprintf("the set %s had other entries, or was another one", p.Name)
	}
	return ""
}

// Study compares a set with its print by its whole content.
func (p SetPrint) Study(c *ipsetsync.Content) string {
	if DigestText(c.Digest) != p.Digest || c.NoMatch > 0 {
		return fmt.Sprintf("the set %s had other entries", p.Name)
	}
	return ""
}

// Known reports whether there is something to compare a set with.
func (r *SetRecord) Known(cfg config.Config) bool {
	return slices.ContainsFunc(cidr.Families[:], func(f cidr.Family) bool { return r.Knows(cfg, f) })
}

// Knows reports it of one family. One whose set could not be filled is tried again, and
// not compared.
func (r *SetRecord) Knows(cfg config.Config, f cidr.Family) bool {
	return r.Sets[f].Name == cfg.SetName(int(f)) && r.Troubles[f] == ""
}
