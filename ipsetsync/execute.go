package ipsetsync

import (
	"errors"
	"fmt"

	"github.com/voipbl/voipbl/cidr"
)

// Plan reads the set called name and compares it with the desired entries.
func (k *Kernel) Plan(name string, family cidr.Family, desired cidr.Set) (*Plan, error) {
	live, err := k.Dump(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return NewPlan(name, family, desired, live)
}

// Execute carries out a plan. If a step fails the temporary set is removed, and
// the live set is as it was.
func (k *Kernel) Execute(p *Plan) error {
	if p.Unchanged() {
		return nil
	}
	temp := TempName(p.Name)
	if err := k.destroyStale(temp); err != nil {
		return err
	}
	for _, step := range p.Steps {
		if err := k.step(p, step); err != nil {
			return errors.Join(err, k.destroyStale(temp))
		}
	}
	return nil
}

// destroyStale removes the temporary set of a run that was killed.
func (k *Kernel) destroyStale(temp string) error {
	if err := k.Destroy(temp); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

func (k *Kernel) step(p *Plan, s Step) error {
	switch s.Op {
	case OpCreate:
		return k.create(p, s)
	case OpAdd:
		return k.add(p, s)
	case OpCount:
		return k.count(s)
	case OpSwap:
		return k.op("swap", s.Set, swapRequest(s.Set, s.Other))
	case OpRename:
		return k.op("rename", s.Set, renameRequest(s.Set, s.Other))
	case OpDestroy:
		return k.Destroy(s.Set)
	}
	return &OpError{Op: string(s.Op), Set: s.Set, Err: errors.ErrUnsupported}
}

// create makes the set and reads its header back: a kernel that does not know
// an option passes over it.
func (k *Kernel) create(p *Plan, s Step) error {
	err := k.op("create", s.Set, createRequest(spec{
		name: s.Set, family: p.Family, revision: k.revision[p.Family],
		hashsize: s.Hashsize, maxelem: s.Maxelem,
	}))
	if err != nil {
		return err
	}
	h, err := k.Header(s.Set)
	if err != nil {
		return err
	}
	if h.Type != typeHashNet || h.Family != p.Family || h.Maxelem != s.Maxelem || !h.Counters || h.Elements != 0 {
		return &OpError{Op: "create", Set: s.Set, Err: fmt.Errorf("%w: it reads back as %+v", ErrWrongContent, h)}
	}
	return nil
}

func (k *Kernel) add(p *Plan, s Step) error {
	b := batch{name: s.Set, entries: p.entries, counts: p.counts}
	for !b.done() {
		if err := k.do(b.request(), nil); err != nil {
			opErr := &OpError{Op: "add", Set: s.Set, Err: err}
			var refused *refusal
			if errors.As(err, &refused) {
				if n, ok := decodeLineno(refused.echo); ok && n < p.entries.Len() {
					opErr.Entry = p.entries.At(n).String()
				}
			}
			return opErr
		}
	}
	return nil
}

func (k *Kernel) count(s Step) error {
	h, err := k.Header(s.Set)
	if err != nil {
		return err
	}
	if int(h.Elements) != s.Entries {
		return &OpError{Op: "count", Set: s.Set, Err: fmt.Errorf("%w: %d entries, not %d", ErrWrongContent, h.Elements, s.Entries)}
	}
	return nil
}
