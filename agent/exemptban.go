package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// ExemptBan is a ban of somebody who is exempt, in a set of fail2ban's or in that of
// this host's own bans. Voipbl's own jails and actions make none, but those of others
// do, and an address may become exempt after it was banned.
type ExemptBan struct {
	Banned  netip.Prefix `json:"banned"`
	Set     string       `json:"set"`
	Own     bool         `json:"own"`     // a ban of this host's own
	Because []Protected  `json:"because"` // why it is exempt
}

// String says it in a line.
func (b ExemptBan) String() string {
	who, as, exempt := b.Banned, "", b.Because[0]
	if exempt.Prefix.Bits() > who.Bits() {
		who, as = exempt.Prefix, " as "+queryText(b.Banned)
	}
	by, become := "by fail2ban", "rejected"
	if b.Own {
		by, become = "here", "dropped"
	}
	return fmt.Sprintf("%s is exempt (%s), but banned %s%s (set %s): its packets are %s", queryText(who), strings.Join(exempt.Reasons, ", "), by, as, b.Set, become)
}

// Remedy takes the ban back, whoever has made it. Of this host's own bans a sync spares who
// is exempt: the entry may be a piece of a wider ban, which goes on for others.
func (b ExemptBan) Remedy() string {
	if b.Own {
		return fmt.Sprintf("voipbl sync; if it stays: ipset del %[2]s %[1]s", queryText(b.Banned), b.Set)
	}
	return fmt.Sprintf("fail2ban-client unban %s; if it stays: ipset del %s %[1]s", queryText(b.Banned), b.Set)
}

// exemptBans looks for them.
func exemptBans(cfg config.Config, kernel *ipsetsync.Kernel, p *Protection) ([]ExemptBan, error) {
	own := func(set string) bool { return set == cfg.BanSetName(0) || set == cfg.BanSetName(1) }
	sets, err := setsOfBans(kernel, func(set string) bool { return isFail2ban(set) || own(set) })
	if err != nil {
		return nil, err
	}
	var found []ExemptBan
	for _, live := range sets {
		for _, entry := range live.Prefixes {
			if p.sets.Overlaps(entry) {
				banned := entry.Netip()
				found = append(found, ExemptBan{banned, live.Name, own(live.Name), p.Covering(banned)})
			}
		}
	}
	return found, nil
}

// fail2banNames is how the names of sets begin that fail2ban fills: those of the
// published page and of our jails, and those of its own actions.
var fail2banNames = []string{"fail2ban-", "f2b-"}

// setsOfBans reads the sets whose names are asked for.
func setsOfBans(kernel *ipsetsync.Kernel, wanted func(set string) bool) ([]*ipsetsync.Live, error) {
	headers, err := kernel.BanSets()
	if err != nil {
		return nil, err
	}
	var found []*ipsetsync.Live
	for _, h := range headers {
		if h.Elements == 0 || !wanted(h.Name) {
			continue
		}
		live, err := kernel.Bans(h.Name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue // it has just been taken away
		}
		if err != nil {
			return nil, err
		}
		found = append(found, live)
	}
	return found, nil
}

func isFail2ban(set string) bool {
	for _, begin := range fail2banNames {
		if strings.HasPrefix(set, begin) {
			return true
		}
	}
	return false
}

// maxExemptBans is how many of them are problems each; of the rest the number is one.
const maxExemptBans = 5

func (s *Status) judgeExemptBans() {
	for i, b := range s.ExemptBanned {
		if i == maxExemptBans {
			s.problem("as above; \"voipbl status --json\" lists them", "%d more exempt addresses are banned", len(s.ExemptBanned)-i)
			break
		}
		s.problem(b.Remedy(), "%s", b)
	}
}
