package blocklist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// This file is about empty sets: they block nobody, whatever the rules. The remedy depends
// on why no list has an entry for them.

// listed is what is known of one list when the sets are empty.
type listed struct {
	name, source string
	file         bool // the list is a file of this host
	entries      int
	problem      *problem.Problem
}

// byItself says what happens, where an agent runs, after an admin has repaired a list.
const (
	byItself = "the agent tries again by itself"
)

// emptyWords say that the lists block nobody, though bans may.
func emptyWords(bans int) string {
	if bans > 0 {
		return "only this host's own bans are blocked: the sets of the lists are empty"
	}
	return "nobody is blocked: the sets are empty"
}

// fillRemedy is what an admin can do about empty sets. again is the next step after a list
// has been repaired.
func fillRemedy(lists []listed, again string) string {
	entries, after := 0, ", "+again
	if again == byItself {
		after = ""
	}
	for _, l := range lists {
		switch {
		case l.problem != nil && strings.HasSuffix(l.problem.Remedy, problem.RunSync) && !strings.HasSuffix(l.problem.Remedy, feeds.AndSync):
			return l.problem.Remedy
		case l.problem != nil:
			return fmt.Sprintf("solve the problem of the feed %s; %s", l.name, again)
		}
		entries += l.entries
	}
	if entries == 0 {
		for _, l := range lists {
			if l.file {
				return fmt.Sprintf("write addresses into %s, or name another list below \"feeds:\"%s: those that are named have no entry", l.source, after)
			}
		}
		return fmt.Sprintf("name another list below \"feeds:\"%s: those that are named have no entry", after)
	}
	return fmt.Sprintf("name another list below \"feeds:\"%s: all that is listed is exempt, or is never blocked", after)
}

// emptyRemedy is the remedy for empty sets of the lists.
func (s *Status) emptyRemedy() string {
	again := feeds.OnceMore
	if s.Agent != nil {
		again = byItself
	}
	var lists []listed
	entries := 0
	changed := false // the lists may have entries that are not in the sets
	for _, f := range s.Feeds {
		if f.Fetching {
			return fmt.Sprintf("nothing: the agent is fetching the list %s now", f.Name)
		}
		changed = changed || s.Agent != nil && f.Waits // the agent is about to put it into the sets
		entries += f.Entries
		lists = append(lists, listed{f.Name, f.Source, f.File, f.Entries, f.Problem})
	}
	for _, set := range s.Sets {
		if set.Exists && !set.Ours {
			return s.foreignRemedy(set)
		}
		changed = changed || set.Changed || set.Exists && set.unknown
	}
	if entries > 0 && changed {
		return s.repairs()
	}
	return fillRemedy(lists, again)
}

// noteEmpty reports empty sets, in the words that status uses.
func (r *SyncReport) noteEmpty(cfg config.Config, kernel *ipsetsync.Kernel) {
	if !r.holdsNothing() {
		return
	}
	again := feeds.OnceMore
	if _, runs, err := state.AgentRuns(cfg); runs && err == nil && r.AgentError == nil {
		again = byItself
	}
	var lists []listed
	for _, f := range r.Feeds {
		lists = append(lists, listed{f.Name, f.Source, f.File, f.Entries, f.Problem})
	}
	words := emptyWords(bannedIn(cfg, kernel))
	if r.Outcome == DryRun {
		words = "the sets of the lists would be empty"
	}
	r.Empty = &problem.Problem{Reason: "empty", Error: words, Remedy: fillRemedy(lists, again)}
}

// SeekTroubles looks for what makes rules useless that were applied by hand: rules of others
// before them, and empty sets. It may take a while, and changes nothing; see
// [rules.Report.Seek].
func SeekTroubles(ctx context.Context, cfg config.Config, report *rules.Report) {
	report.Seek(ctx)
	var unknown error
	if report.Empty, unknown = emptyNow(context.WithoutCancel(ctx), setnames.NamesInForce(ctx, cfg)); unknown != nil {
		report.Warnings = append(report.Warnings, unknown.Error())
	}
}

// emptyNow returns status's problem that the sets of the lists are empty; nil if they are not.
func emptyNow(ctx context.Context, cfg config.Config) (*problem.Problem, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	for _, f := range cidr.Families {
		if h, err := kernel.Header(cfg.SetName(int(f))); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) || err == nil && h.Elements > 0 {
			return nil, err
		}
	}
	status, err := ReadStatus(ctx, cfg, "", time.Now(), File{})
	if err != nil {
		return nil, err
	}
	return status.empty(), nil
}

// bannedIn counts the bans in those of voipbl's sets of bans that rules use.
func bannedIn(cfg config.Config, kernel *ipsetsync.Kernel) (n int) {
	for _, f := range cidr.Families {
		h, err := kernel.Header(cfg.BanSetName(int(f)))
		if err == nil && ipsetsync.CheckBanSet(h, f) == nil && h.References > 0 {
			n += int(h.Elements)
		}
	}
	return n
}
