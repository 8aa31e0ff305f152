package ipsetsync

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Execute carries out all plans or none. It fills and counts every temporary set before it
// touches the first live set. If one set cannot be switched, those before it are switched
// back. After an error the kernel is as before, or the error names the set that could not be
// switched back. Only an unused foreign set with the plan's name may be gone, because a
// set of another type can be neither swapped nor renamed. Sets left over after the switch do
// no harm: they are reported as warnings, and the next run removes them.
func (k *Kernel) Execute(plans ...*Plan) (warnings []string, err error) {
	for i, p := range plans {
		if p.Unchanged() {
			// A killed run may have left a temporary set.
			if err := k.destroyStale(p); err != nil {
				warnings = append(warnings, "left over: "+err.Error())
			}
			continue
		}
		if err := k.build(p); err != nil {
			return nil, errors.Join(err, k.discard(plans[:i]))
		}
	}
	for i, p := range plans {
		if err := k.steps(p, p.Switch); err != nil {
			return nil, errors.Join(err, k.switchBack(plans[:i]), k.discard(plans))
		}
	}
	for _, p := range plans {
		if err := k.steps(p, p.Clean); err != nil {
			warnings = append(warnings, "left over: "+err.Error())
		}
	}
	return warnings, nil
}

// build removes the temporary set of a killed run and fills a new one. If that fails, it
// removes the new one.
func (k *Kernel) build(p *Plan) error {
	if err := k.destroyStale(p); err != nil {
		return err
	}
	if err := k.steps(p, p.Build); err != nil {
		return errors.Join(err, k.destroyStale(p))
	}
	return nil
}

// discard removes the temporary sets.
func (k *Kernel) discard(plans []*Plan) error {
	var errs []error
	for _, p := range plans {
		if !p.Unchanged() {
			errs = append(errs, k.destroyStale(p))
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) destroyStale(p *Plan) error {
	err := patient(func() error { return k.Destroy(TempName(p.Name)) })
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// switchBack undoes the switches of plans.
func (k *Kernel) switchBack(plans []*Plan) error {
	var errs []error
	for _, p := range plans {
		for _, s := range p.Switch {
			switch s.Op {
			case opSwap:
				errs = append(errs, switchedAnyway(p, k.step(p, s))) // a second swap undoes the first
			case opRename:
				if p.Live == nil { // otherwise it has replaced a foreign set
					errs = append(errs, switchedAnyway(p, k.Destroy(s.Other)))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// switchedAnyway returns the error for a switch that could not be undone.
func switchedAnyway(p *Plan, err error) error {
	if err == nil {
		return nil
	}
	return &SwitchedError{p.Name, err}
}

// SwitchedError is returned for a set that could not be switched back after Execute
// failed: it holds the new entries.
type SwitchedError struct {
	Set string
	Err error
}

func (e *SwitchedError) Error() string {
	return fmt.Sprintf("%s holds the new list all the same: %v", e.Set, e.Err)
}

func (e *SwitchedError) Unwrap() error { return e.Err }

func (k *Kernel) steps(p *Plan, steps []Step) error {
	for _, s := range steps {
		if err := k.step(p, s); err != nil {
			return err
		}
	}
	return nil
}

const (
	// patience is how long to wait for a busy set: twice the time to list a million
	// entries.
	patience      = 5 * time.Second
	patienceEvery = 2 * time.Millisecond
)

// patient retries while the set is busy. A process that lists a set, such as ipset(8)
// or "voipbl status", keeps it from being swapped or destroyed meanwhile (ip_set_core.c:
// ref_netlink).
func patient(do func() error) error {
	again := time.NewTicker(patienceEvery)
	defer again.Stop()
	for deadline := time.Now().Add(patience); ; <-again.C {
		if err := do(); !errors.Is(err, errBusy) || time.Now().After(deadline) {
			return err
		}
	}
}

func (k *Kernel) step(p *Plan, s Step) error {
	switch s.Op {
	case opCreate:
		return k.create(p, s)
	case opAdd:
		return k.add(p, s)
	case opCount:
		return k.count(p, s)
	case opSwap:
		return patient(func() error { return k.op("swap", s.Set, swapRequest(s.Set, s.Other)) })
	case opRename:
		return patient(func() error { return k.op("rename", s.Set, renameRequest(s.Set, s.Other)) })
	case opDestroy:
		return patient(func() error { return k.Destroy(s.Set) })
	}
	return &opError{Op: string(s.Op), Set: s.Set, Err: errors.ErrUnsupported}
}

// create makes the set and reads its header back, because a kernel ignores options that
// it does not know.
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
	return s.checkCreated(p.Family, h)
}

// checkCreated compares the header of a new set with the requested one.
func (s Step) checkCreated(family cidr.Family, h Header) error {
	if h.Type != TypeHashNet || h.Family != family || h.Maxelem != s.Maxelem || !h.Counters || h.Elements != 0 {
		return &opError{Op: "create", Set: s.Set, Err: fmt.Errorf("%w: it reads back as %+v", errWrongContent, h)}
	}
	return nil
}

// add fills the set. One message is made while the kernel adds the entries of the one
// before.
func (k *Kernel) add(p *Plan, s Step) error {
	b := batch{name: s.Set, entries: p.entries.All(), counts: p.counts}
	err := ahead(b.requests(), func(r request) error { return k.do(r, nil) })
	if err == nil {
		return nil
	}
	opErr := &opError{Op: "add", Set: s.Set, Err: err}
	var refused *refusal
	if errors.As(err, &refused) {
		if n, ok := decodeLineno(refused.echo); ok {
			opErr.Entry = nth(p.entries.All(), n)
		}
	}
	return opErr
}

// ahead calls use with each value of seq until it returns an error, while seq makes the
// next value.
func ahead[T any](seq iter.Seq[T], use func(T) error) error {
	made, enough := make(chan T), make(chan struct{})
	defer close(enough)
	go func() {
		defer close(made)
		for v := range seq {
			select {
			case made <- v:
			case <-enough:
				return
			}
		}
	}()
	for v := range made {
		if err := use(v); err != nil {
			return err
		}
	}
	return nil
}

// nth returns entry n in words, "" if there are fewer.
func nth(entries iter.Seq[cidr.Prefix], n int) string {
	for p := range entries {
		if n == 0 {
			return p.String()
		}
		n--
	}
	return ""
}

// count reads the header of the filled set, which then gets the plan's name.
func (k *Kernel) count(p *Plan, s Step) (err error) {
	if p.Header, err = k.Header(s.Set); err != nil {
		return err
	}
	p.Header.Name = p.Name
	return s.checkCount(p.Header)
}

// checkCount compares the number of entries of a filled set with the plan.
func (s Step) checkCount(h Header) error {
	if int(h.Elements) != s.Entries {
		return &opError{Op: "count", Set: s.Set, Err: fmt.Errorf("%w: %d entries, not %d", errWrongContent, h.Elements, s.Entries)}
	}
	return nil
}
