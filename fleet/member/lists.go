package member

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/link"
)

const (
	// The hub is asked what mirrors say of lists at random times, between listsEvery and half as much again
	// apart: so a new list is asked for by all hosts within that time, and not at once.
	listsEvery = 20 * time.Second

	// listsPace is the least time between two such questions, if the agent waits for a copy.
	listsPace = time.Second
)

// lists tells the agent what mirrors say of lists from the network, and brings it the copies that it asks for.
// If this host is a mirror, it puts the lists that this host has fetched at the hub.
func (s *session) lists(ctx context.Context) error {
	var troubled string
	for {
		err := s.lookForLists(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if text := textOf(err); text != troubled {
			troubled = text
			if err != nil {
				s.m.Log.Warn("lists do not go by the fleet; their sources are asked when their copies become old", "error", err)
			}
		}
		if err := sleep(ctx, listsPace); err != nil {
			return err
		}
		select {
		case <-s.asked:
		case <-time.After(listsEvery - listsPace + rand.N(listsEvery/2)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// lookForLists does all that is to do about lists now.
func (s *session) lookForLists(ctx context.Context) error {
	asked, err := s.m.Agent.Lists(ctx, link.ListsQuestion{Mirror: s.mirror})
	if s.m.reached(ofLists, err); err != nil {
		return nil // it is logged
	}
	offers, err := s.offers(ctx, asked.Keys)
	if errors.Is(err, hub.ErrNotConnected) {
		err = nil // it is logged, too
	} else {
		told := link.Offers{Mirror: s.mirror, Offers: offers}
		s.m.reached(ofLists, s.m.Agent.Offers(ctx, told))
	}
	for _, sum := range asked.Copies {
		s.bring(ctx, offers, sum)
	}
	if s.mirror && (err == nil || errors.Is(err, hub.ErrNotUnderstood)) {
		err = errors.Join(err, s.offer(ctx, asked.Mine, offers))
	}
	return err
}

// offers are what mirrors say of lists. After an error, some are missing: only those that are not understood if
// it is [hub.ErrNotUnderstood].
func (s *session) offers(ctx context.Context, keys []string) (all []link.Offer, err error) {
	all = []link.Offer{}
	for _, key := range keys[:min(len(keys), link.MostLists)] {
		o, failed := s.conn.Offer(ctx, key)
		switch {
		case errors.Is(failed, hub.ErrNotUnderstood):
			err = failed
		case failed != nil:
			return all, failed
		case o != nil:
			all = append(all, *o)
		}
	}
	return all, err
}

// bring gives the agent the copy with a SHA-256 of which a mirror has told, or says that it is not to be had.
func (s *session) bring(ctx context.Context, offers []link.Offer, sum string) {
	var text []byte
	if i := slices.IndexFunc(offers, func(o link.Offer) bool { return o.SHA256 == sum }); i >= 0 {
		var err error
		if text, err = s.conn.Copy(ctx, offers[i].Key); err != nil {
			s.m.Log.Warn("a list cannot be had from the hub", "error", err)
		}
	}
	if err := s.m.Agent.Copy(ctx, sum, text); err != nil {
		s.m.Log.Debug("the agent does not take a list", "error", err)
	}
}

// offer puts lists of this host's at the hub, of which it has no newer word, or no copy any more.
func (s *session) offer(ctx context.Context, mine []link.List, offers []link.Offer) error {
	var failed []error
	var unknown error // which copies the hub has
	copies := sync.OnceValue(func() (keys []string) { keys, unknown = s.conn.Copies(ctx); return keys })
	for _, l := range mine[:min(len(mine), link.MostLists)] {
		var there *link.Offer
		if i := slices.IndexFunc(offers, func(o link.Offer) bool { return o.Key == l.Key }); i >= 0 {
			there = &offers[i]
		}
		news, lost := fleet.News(s.self, l, there), there == nil || there.SHA256 != l.SHA256
		if !lost { // the copy is older than what was said last of it, so it is the first to make room
			has := copies()
			lost = unknown == nil && !slices.Contains(has, l.Key)
		}
		var text []byte
		if lost && (news || there.SHA256 == l.SHA256) {
			var err error
			if text, err = s.m.Agent.Mine(ctx, link.ListQuestion{Key: l.Key, SHA256: l.SHA256}); err != nil {
				failed = append(failed, err)
				continue
			}
		}
		switch {
		case news:
			failed = append(failed, s.conn.Mirror(ctx, l, text))
		case text != nil:
			failed = append(failed, s.conn.PutCopy(ctx, l.Key, text))
		}
	}
	return errors.Join(append(failed, unknown)...)
}
