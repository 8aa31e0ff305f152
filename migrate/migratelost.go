package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/reach"
)

// Lost is what the published voipbl.sh blocks and voipbl does not.
type Lost struct {
	Count   int    `json:"count"` // how many addresses and networks; one may be part of a listed network
	Example string `json:"example"`
}

// Words says what is not blocked.
func (l Lost) Words() string {
	what := "1 address or network"
	if l.Count > 1 {
		what = fmt.Sprintf("%d addresses or networks", l.Count)
	}
	return fmt.Sprintf("voipbl.sh blocks %s that voipbl does not block, such as %s", what, l.Example)
}

// Remedy says what to do about it.
func (l Lost) Remedy() string {
	return fmt.Sprintf("\"voipbl check %s\" says whether it is exempt; \"voipbl ban\" blocks an address; docs/migrating.md has how to have voipbl read another list", l.Example)
}

// lostWith compares what the script blocks, in its set and in its chain, with voipbl's sets.
func lostWith(cfg config.Config, parts []scriptPart) (*Lost, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	var script, ours cidr.Builder
	add := func(b *cidr.Builder, set string) error {
		live, err := kernel.Bans(set)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			return nil
		}
		if err == nil {
			for _, p := range live.Prefixes {
				b.Add(p)
			}
		}
		return err
	}
	blocks := false
	for _, p := range parts {
		blocks = blocks || slices.ContainsFunc(p.Rules, func(r string) bool { return strings.Contains(r, "--match-set "+iptwalk.ScriptSet+" ") })
		for _, source := range p.Sources {
			script.Add(cidr.FromNetip(source))
		}
	}
	if blocks && !slices.Contains(reach.OwnSetNames(cfg), iptwalk.ScriptSet) {
		if err := add(&script, iptwalk.ScriptSet); err != nil {
			return nil, err
		}
	}
	for _, name := range reach.OwnSetNames(cfg) {
		if err := add(&ours, name); err != nil {
			return nil, err
		}
	}
	rest := script.Sets().Subtract(ours.Sets())
	for _, f := range cidr.Families {
		if rest[f].Len() > 0 {
			return &Lost{rest.Len(), cidr.Text(rest[f].At(0).Netip())}, nil
		}
	}
	return nil, nil
}

// scriptRunsError says that the published voipbl.sh is running, so it would put its set and
// rules back.
type scriptRunsError struct{ PIDs []int }

func (e *scriptRunsError) Error() string {
	return fmt.Sprintf("voipbl.sh is running (process %s), and would put its set and rules back", e.list(", "))
}

// Remedy says what to do about it.
func (e *scriptRunsError) Remedy() string {
	return fmt.Sprintf("wait until it has finished, or end it with \"kill %s\"; then run this again", e.list(" "))
}

func (e *scriptRunsError) list(between string) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(e.PIDs)), between), "[]")
}
