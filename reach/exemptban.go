package reach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// ExemptBan is an exempt address or network that is kept out: banned in a set of fail2ban or in
// the set of this host's bans, or dropped by another rule. voipbl's own jails and actions never
// ban an exempt address, but those of others do, and an address may become exempt after its
// ban.
type ExemptBan struct {
	Banned  netip.Prefix       `json:"banned"`
	Set     string             `json:"set"`
	Own     bool               `json:"own"`              // in one of voipbl's own sets
	Unused  bool               `json:"unused,omitempty"` // no rule drops the members of the set
	Because []exempt.Protected `json:"because"`          // why it is exempt
	Place   *Place             `json:"place,omitempty"`  // where its packets end, if it is not a ban

	SyncRefused bool `json:"-"` // a sync does nothing, since the agent refuses the file
}

// String describes the ban in one line.
func (b ExemptBan) String() string {
	who, as, exempt := b.Banned, "", b.Because[0]
	if exempt.Prefix.Bits() > who.Bits() {
		who, as = exempt.Prefix, " as "+cidr.Text(b.Banned)
	}
	if b.Place != nil {
		return b.inPlace(cidr.Text(who), as)
	}
	by, become := "by fail2ban", "its packets are rejected"
	if b.Own {
		by, become = "here", "its packets are dropped"
	}
	if b.Unused {
		become = "no rule drops the members of that set yet"
	}
	return fmt.Sprintf("%s is exempt (%s), but banned %s%s (set %s): %s", cidr.Text(who), strings.Join(exempt.Reasons, ", "), by, as, b.Set, become)
}

// inPlace is String for what a place drops.
func (b ExemptBan) inPlace(who, as string) string {
	begin := fmt.Sprintf("%s is exempt (%s), but ", who, strings.Join(b.Because[0].Reasons, ", "))
	only, packets := "", "its packets"
	if b.Place.Part && b.Place.Entry == nil {
		packets = "packets of a part of it"
	}
	if len(b.Place.Ports) > 0 {
		only = " (only " + strings.Join(b.Place.Ports, ", ") + ")"
	}
	switch {
	case b.Place.Set != "" && b.Place.Kind == ByOther:
		return begin + "in the set " + b.Set + as + ", whose members a rule drops" + only
	case b.Place.Set != "":
		return begin + "in the set " + b.Set + as + ": its packets are dropped" + only
	case b.Place.Kind == ByFail2ban && strings.HasPrefix(b.Place.Where, "nftables"):
		return begin + "banned by fail2ban" + as + " (" + b.Place.Where + ")"
	case b.Place.Kind == ByFail2ban:
		chain, _, _ := strings.Cut(strings.TrimPrefix(b.Place.Rule, "-A "), " ")
		return begin + "banned by fail2ban" + as + " (chain " + chain + ")"
	}
	return begin + "a rule drops " + packets + only + ": " + b.Place.Rule
}

// Remedy ends the ban, whatever made it. For this host's own bans that is a sync, which takes
// exempt addresses out: the entry may be a piece of a wider ban, which stays for the others.
func (b ExemptBan) Remedy() string {
	if b.Own && b.Set != "" && b.SyncRefused {
		if b.Place != nil && b.Place.TakeOutRemedy() != "" {
			return b.Place.TakeOutRemedy()
		}
		return TakeOutRemedy(b.Set, b.Banned)
	}
	if b.Place != nil {
		return b.Place.Remedy
	}
	if b.Own {
		return fmt.Sprintf("voipbl sync; if it stays: ipset del %[2]s %[1]s", cidr.Text(b.Banned), b.Set)
	}
	return fmt.Sprintf("fail2ban-client unban %s; if it stays: ipset del %s %[1]s", cidr.Text(b.Banned), b.Set)
}

// TakeOutRemedy lets an exempt address in that is in a set of voipbl's while the agent refuses the
// file. A sync fails then, and what the agent exempts does not come back.
func TakeOutRemedy(set string, entry netip.Prefix) string {
	return fmt.Sprintf("ipset del %s %s", set, cidr.Text(entry))
}

// FindExemptBans finds exempt addresses that are kept out: in the sets that fail2ban and voipbl
// fill, even if no rule drops their members, and then wherever rules drop packets.
func FindExemptBans(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, p *exempt.Protection, rules []KernelRules) ([]ExemptBan, error) {
	own := func(set string) bool { return set == cfg.BanSetName(0) || set == cfg.BanSetName(1) }
	sets, err := setsOfBans(kernel, func(set string) bool { return banrule.IsFail2ban(set) || own(set) })
	if err != nil {
		return nil, err
	}
	var found []ExemptBan
	drops := make(map[string]bool)
	for _, live := range sets {
		lists, err := kernel.Lists(live.Name)
		drops[live.Name] = err != nil || dropsMembers(rules, append(lists, live.Name)) // on an error, assume so
		for _, entry := range live.Prefixes {
			if p.Sets.Overlaps(entry) {
				banned := entry.Netip()
				found = append(found, ExemptBan{
					Banned: banned, Set: live.Name, Own: own(live.Name), Because: p.Covering(banned),
					Unused: len(rules) > 0 && !drops[live.Name],
				})
			}
		}
	}
	return append(found, exemptPlaces(ctx, cfg, kernel, p, rules, found)...), nil
}

// ExemptBansNow is FindExemptBans for a caller that has not read the sets and rules yet. The
// notes say what cannot be read.
func ExemptBansNow(ctx context.Context, cfg config.Config, p *exempt.Protection) (bans []ExemptBan, notes []string) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, nil // the kernel's sets could be opened a moment ago
	}
	defer kernel.Close()
	rules, err := ReadKernelRules(ctx, cfg)
	if err != nil {
		notes = append(notes, "the rules cannot be read: "+err.Error())
	}
	if bans, err = FindExemptBans(ctx, cfg, kernel, p, rules); err != nil {
		notes = append(notes, "the sets of fail2ban cannot be read: "+err.Error())
	}
	return bans, notes
}

// dropsMembers reports whether a rule that packets can reach drops the members of a set. The
// rule may match the set itself, or a list that the set is in; sets has both.
func dropsMembers(rules []KernelRules, sets []string) bool {
	return slices.ContainsFunc(rules, func(k KernelRules) bool {
		return slices.ContainsFunc(k.Saved[:], func(s *iptables.Saved) bool { return s != nil && len(iptwalk.DropsAnywhere(s, sets...)) > 0 })
	})
}

// setsOfBans reads the sets whose names are wanted.
func setsOfBans(kernel *ipsetsync.Kernel, wanted func(set string) bool) ([]*ipsetsync.Live, error) {
	headers, err := kernel.BanSets(wanted)
	if err != nil {
		return nil, err
	}
	var found []*ipsetsync.Live
	for _, h := range headers {
		if h.Elements == 0 {
			continue
		}
		live, err := kernel.Bans(h.Name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue // the set was just destroyed
		}
		if err != nil {
			return nil, err
		}
		found = append(found, live)
	}
	return found, nil
}

// MaxExemptBans is how many exempt bans are reported one by one; one problem counts the rest.
const MaxExemptBans = 5
