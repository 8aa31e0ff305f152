package reach

import (
	"context"
	"errors"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/nftwalk"
	"github.com/voipbl/voipbl/settings"
)

// ReadNative reads the native tables of nftables. rules are iptables' rules, already read: a
// table that iptables' tools cannot list is read here instead, and what they list wrongly is
// marked in rules. With elements, it also reads the members of sets.
func ReadNative(ctx context.Context, rules []KernelRules, elements bool) (*nft.Ruleset, error) {
	family := map[nft.Family]iptables.Family{nft.IPv4: iptables.IPv4, nft.IPv6: iptables.IPv6}
	native, err := nft.Read(ctx, nft.Options{Elements: elements, IPTables: func(f nft.Family, name string) bool {
		of, ip := family[f]
		return ip && !slices.ContainsFunc(rules, func(k KernelRules) bool {
			return k.Backend == firewall.NFT && !errors.As(k.Saved[of].Readable(name), new(*iptables.IncompatibleError))
		})
	}})
	if err != nil {
		return nil, err
	}
	for _, m := range native.Misread {
		for _, k := range rules {
			if k.Backend == firewall.NFT {
				k.Saved[family[m.Family]].Misread(m.Table, m.Chain, m.Index, m.Of)
			}
		}
	}
	return native, nil
}

// OtherOwners returns the other programs, such as "ufw", whose rules are this host's firewall.
// native may be nil if it could not be read.
func OtherOwners(rules []KernelRules, native *nft.Ruleset) []string {
	var owners []string
	for _, k := range rules {
		for _, saved := range k.Saved {
			owners = append(owners, saved.Foreign()...)
		}
	}
	if native != nil {
		for _, o := range nftwalk.Owners(native) {
			if o.Closes {
				owners = append(owners, o.Name)
			}
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// Published returns the ports of a family that are sent on to containers and other hosts without
// passing INPUT, by any program's rules.
func Published(rules []KernelRules, native *nft.Ruleset, f iptables.Family) []iptwalk.Published {
	var all []iptwalk.Published
	for _, k := range rules {
		all = append(all, iptwalk.PublishedPorts(k.Saved[f])...)
	}
	if native != nil {
		for _, p := range nftwalk.PublishedPorts(native, f == iptables.IPv6) {
			all = append(all, iptwalk.Published{Proto: p.Proto, Ports: p.Ports, To: p.To, Chain: p.Table + " " + p.Chain, ToPort: p.ToPort, AnyPort: p.AnyPort})
		}
	}
	if len(all) == 0 {
		return nil
	}
	own, _ := host.OwnAddresses() // without these, each target of nat counts as another host
	return slices.DeleteFunc(all, func(p iptwalk.Published) bool { return isOwn(own, p.To) })
}

// Publishes reports whether containers publish ports of this host, or are about to: Docker and
// Podman make their tables and chains before the first port.
func Publishes(rules []KernelRules, native *nft.Ruleset) bool {
	for _, f := range iptables.Families {
		if len(Published(rules, native, f)) > 0 || slices.ContainsFunc(rules, func(k KernelRules) bool { return k.Saved[f].HasChain("nat", "DOCKER") }) {
			return true
		}
	}
	return native != nil && (native.Owns(nft.Docker) || native.Owns(nft.Podman))
}

// Avoid is why the drop should not stand in INPUT, by what other programs do there; "" if INPUT
// is as good.
type Avoid string

const (
	// AvoidFreePBX: FreePBX's own firewall is installed, which flushes and rebuilds INPUT each
	// time it starts.
	AvoidFreePBX Avoid = "freepbx"

	// AvoidPublished: ports are sent on to containers or other hosts, or will soon be. Their
	// packets never pass INPUT.
	AvoidPublished Avoid = "published-ports"

	// AvoidUnreadable: iptables cannot read its filter table, because of native rules in it.
	AvoidUnreadable Avoid = "filter-unreadable"
)

// Words is the reason for people, to follow "since".
func (a Avoid) Words() string {
	return map[Avoid]string{
		AvoidFreePBX:    "FreePBX's firewall empties INPUT whenever it starts",
		AvoidPublished:  "ports of containers, or forwarded ones, go past INPUT",
		AvoidUnreadable: "iptables cannot read its filter table",
	}[a]
}

// avoidInput returns the weightiest reason why the drop should not stand in INPUT.
func avoidInput(rules []KernelRules, native *nft.Ruleset, freePBX bool) Avoid {
	unreadable := false
	for _, k := range rules {
		freePBX = freePBX || k.Saved[iptables.IPv4].FreePBX()
		for _, s := range k.Saved {
			unreadable = unreadable || k.Used && s.Trouble == nil && s.Readable("filter") != nil
		}
	}
	switch {
	case freePBX || native != nil && native.Owns(nft.FreePBX):
		return AvoidFreePBX
	case Publishes(rules, native):
		return AvoidPublished
	case unreadable:
		return AvoidUnreadable
	}
	return ""
}

// AvoidInput returns why the drop should not stand in INPUT, given the rules in the kernel now.
// If some rules cannot be read at the moment, unread says why, and there may be a reason that is
// not found. The answer does not depend on drop_at, so that a remembered one is right when that
// becomes "auto".
func AvoidInput(ctx context.Context, cfg config.Config, b firewall.Backend, saved [2]*iptables.Saved) (found Avoid, unread error) {
	rules, native, unread := ReadAround(ctx, cfg, b, saved)
	return avoidInput(rules, native, host.HasFreePBXFirewall("")), unread
}

// ReadAround adds all other rules to those already read of a backend. With an error it still
// returns what could be read.
func ReadAround(ctx context.Context, cfg config.Config, b firewall.Backend, saved [2]*iptables.Saved) (rules []KernelRules, native *nft.Ruleset, err error) {
	rules, otherErr := WithOther(ctx, KernelRules{b, true, saved})
	native, nativeErr := ReadNative(ctx, rules, false)
	return rules, native, errors.Join(otherErr, nativeErr, unread(cfg, rules))
}

// unread returns why a family's rules in some backend are not known; nil if all are. A family
// that is left alone does not count.
func unread(cfg config.Config, rules []KernelRules) error {
	var errs []error
	for _, k := range rules {
		for _, f := range iptables.Families {
			if settings.WantsRules(cfg, f) {
				errs = append(errs, k.Saved[f].Unknown())
			}
		}
	}
	return errors.Join(errs...)
}
