package agent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// setsFile is what was last put into the sets of this kernel, in the run folder.
// Every process of ours that writes the sets writes it down there, so that the
// agent can tell our own changes from those of others.
const setsFile = "sets"

// setRecord is the content of that file.
type setRecord struct {
	Kernel string      `json:"kernel"` // see [firewall.Kernel]
	Sets   [2]setPrint `json:"sets"`   // by family

	// Troubles are why the set of a family could not be filled the last time, and Remedies
	// what to do about it.
	Troubles [2]string `json:"troubles,omitzero"`
	Remedies [2]string `json:"remedies,omitzero"`
}

// noteTroubles replaces what is known of families whose set could not be filled.
func (r *setRecord) noteTroubles(families []FamilyProblem) {
	r.Troubles, r.Remedies = [2]string{}, [2]string{}
	for _, p := range families {
		r.Troubles[p.family], r.Remedies[p.family] = p.Error, p.Remedy
	}
}

// families are those troubles.
func (r *setRecord) families() (all []FamilyProblem) {
	for f, trouble := range r.Troubles {
		if trouble != "" {
			all = append(all, FamilyProblem{firewall.Family(f).String(), Problem{"error", trouble, r.Remedies[f]}, firewall.Family(f)})
		}
	}
	return all
}

// setPrint tells one set from all others.
type setPrint struct {
	Name     string `json:"name"`
	Maxelem  uint32 `json:"maxelem"`
	Elements uint32 `json:"elements"`

	// Memory tells one large set from another with as many entries: each has a
	// random seed, which decides how many fall into each bucket.
	Memory uint32 `json:"memory"`
	Digest string `json:"digest"` // of its entries, in hexadecimal: JSON has no 64-bit numbers
}

func digestText(d uint64) string { return fmt.Sprintf("%016x", d) }

// readSetRecord reads it; without one nothing is known.
func readSetRecord(run *fetch.Store) setRecord {
	var r setRecord
	if run == nil || run.ReadJSON(setsFile, &r) != nil || r.Kernel != firewall.Kernel() {
		return setRecord{Kernel: firewall.Kernel()}
	}
	return r
}

// wrote reports whether voipbl has put entries into the sets that a configuration names.
func (r setRecord) wrote(cfg config.Config) bool {
	for f, set := range r.Sets {
		if set.Name == cfg.SetName(f) && set.Elements > 0 {
			return true
		}
	}
	return false
}

// lastRecord is that of a configuration's run folder.
func lastRecord(cfg config.Config) setRecord {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return setRecord{}
	}
	defer run.Close()
	return readSetRecord(run)
}

// note writes down what plans that were just executed have made of the sets.
func (r *setRecord) note(kernel *ipsetsync.Kernel, plans []*ipsetsync.Plan) error {
	for _, p := range plans {
		h, err := kernel.Header(p.Name)
		if err != nil {
			return err
		}
		r.Sets[p.Family] = setPrint{p.Name, h.Maxelem, uint32(p.Entries().Len()), h.Memory, digestText(ipsetsync.Digest(p.Entries()))}
	}
	return nil
}

// write replaces the file, if there is something new.
func (r *setRecord) write(run *fetch.Store, before setRecord) error {
	if *r == before {
		return nil
	}
	if err := run.WriteJSON(setsFile, r); err != nil {
		return fmt.Errorf("what the sets hold is not remembered: %w", err)
	}
	return nil
}

// recordSets notes what plans have just done.
func recordSets(cfg config.Config, kernel *ipsetsync.Kernel, plans []*ipsetsync.Plan) error {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return err
	}
	defer run.Close()
	before := readSetRecord(run)
	now := before
	if err := now.note(kernel, plans); err != nil {
		return err
	}
	return now.write(run, before)
}

// holds reports whether the set held already what a plan puts into it, the last time
// that one of us wrote it.
func (p setPrint) holds(plan *ipsetsync.Plan) bool {
	return p.Name == plan.Name && p.Digest == digestText(ipsetsync.Digest(plan.Entries()))
}

// glance compares a set with its print by what a look at its header tells. It
// returns in words what is wrong, or "".
func (p setPrint) glance(h ipsetsync.Header, err error) string {
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

// study compares a set with its print by its whole content.
func (p setPrint) study(c *ipsetsync.Content) string {
	if digestText(c.Digest) != p.Digest || c.NoMatch > 0 {
		return fmt.Sprintf("the set %s had other entries", p.Name)
	}
	return ""
}

// known reports whether there is something to compare a set with.
func (r *setRecord) known(cfg config.Config) bool {
	return slices.ContainsFunc(cidr.Families[:], func(f cidr.Family) bool { return r.knows(cfg, f) })
}

// knows reports it of one family. One whose set could not be filled is tried again, and
// not compared.
func (r *setRecord) knows(cfg config.Config, f cidr.Family) bool {
	return r.Sets[f].Name == cfg.SetName(int(f)) && r.Troubles[f] == ""
}
