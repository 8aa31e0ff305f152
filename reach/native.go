package reach

import (
	"context"
	"errors"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/settings"
)

// ReadNative reads the native tables of nftables. rules are those of iptables as they
// were read: a table that its tools cannot tell is read here too, so that nothing is
// read by nobody, and what they tell wrong is marked in rules. With elements it is known
// who is in sets of addresses.
func ReadNative(ctx context.Context, rules []KernelRules, elements bool) (*nft.Ruleset, error) {
	family := map[nft.Family]firewall.Family{nft.IPv4: firewall.IPv4, nft.IPv6: firewall.IPv6}
	native, err := nft.Read(ctx, nft.Options{Elements: elements, IPTables: func(f nft.Family, name string) bool {
		of, ip := family[f]
		return ip && !slices.ContainsFunc(rules, func(k KernelRules) bool {
			return k.Backend == firewall.NFT && !errors.As(k.Saved[of].Readable(name), new(*firewall.IncompatibleError))
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

// OtherOwners are the other programs that are the firewall of this host by the rules
// that the kernel holds, such as "ufw". native may be nil, where it could not be read.
func OtherOwners(rules []KernelRules, native *nft.Ruleset) []string {
	var owners []string
	for _, k := range rules {
		for _, saved := range k.Saved {
			owners = append(owners, saved.Foreign()...)
		}
	}
	if native != nil {
		for _, o := range native.Owners() {
			if o.Closes {
				owners = append(owners, o.Name)
			}
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// Published are the ports of a family that are sent on to containers and other hosts past
// INPUT, whoever does so.
func Published(rules []KernelRules, native *nft.Ruleset, f firewall.Family) []firewall.Published {
	var all []firewall.Published
	for _, k := range rules {
		all = append(all, k.Saved[f].Published()...)
	}
	if native != nil {
		for _, p := range native.Published(f == firewall.IPv6) {
			all = append(all, firewall.Published{Proto: p.Proto, Ports: p.Ports, To: p.To, Chain: p.Table + " " + p.Chain, ToPort: p.ToPort, AnyPort: p.AnyPort})
		}
	}
	if len(all) == 0 {
		return nil
	}
	own, _ := host.OwnAddresses() // without them nat sends to others
	return slices.DeleteFunc(all, func(p firewall.Published) bool { return isOwn(own, p.To) })
}

// Publishes reports whether containers have ports of this host, or are about to: Docker
// and Podman make their tables and chains before the first port.
func Publishes(rules []KernelRules, native *nft.Ruleset) bool {
	for _, f := range firewall.Families {
		if len(Published(rules, native, f)) > 0 || slices.ContainsFunc(rules, func(k KernelRules) bool { return k.Saved[f].HasChain("nat", "DOCKER") }) {
			return true
		}
	}
	return native != nil && (native.Owns(nft.Docker) || native.Owns(nft.Podman))
}

// avoidInput reports whether INPUT is no place for the drop: where FreePBX's own firewall
// is installed, which builds itself anew, and flushes INPUT, each time it starts; where
// ports are published, whose packets never come there; and in a filter table that cannot
// be read.
func avoidInput(rules []KernelRules, native *nft.Ruleset, freePBX bool) bool {
	avoid := freePBX || native != nil && native.Owns(nft.FreePBX) || Publishes(rules, native)
	for _, k := range rules {
		avoid = avoid || k.Saved[firewall.IPv4].FreePBX()
		for _, s := range k.Saved {
			avoid = avoid || k.Used && s.Trouble == nil && s.Readable("filter") != nil
		}
	}
	return avoid
}

// DropAt is where the drop is to stand by the rules that the kernel has now, and whether
// INPUT is avoided. last is what was found the last time: it counts where some rules cannot
// be read at the moment. It is found out whatever is configured, since what is remembered
// of it has to be right when "auto" is.
// unread is why.
func DropAt(ctx context.Context, cfg config.Config, b firewall.Backend, saved [2]*firewall.Saved, last bool) (at firewall.Place, avoid bool, unread error) {
	rules, native, unread := ReadAround(ctx, cfg, b, saved)
	avoid = avoidInput(rules, native, host.HasFreePBXFirewall("")) || unread != nil && last
	return settings.DropPlace(cfg, avoid), avoid, unread
}

// ReadAround adds all other rules to those that were read of a backend. What it returns
// with an error is what could be read.
func ReadAround(ctx context.Context, cfg config.Config, b firewall.Backend, saved [2]*firewall.Saved) (rules []KernelRules, native *nft.Ruleset, err error) {
	rules, otherErr := WithOther(ctx, KernelRules{b, true, saved})
	native, nativeErr := ReadNative(ctx, rules, false)
	return rules, native, errors.Join(otherErr, nativeErr, unread(cfg, rules))
}

// unread is why it is not known what the kernel holds of a family in some backend. One that
// is left alone does not count.
func unread(cfg config.Config, rules []KernelRules) error {
	var errs []error
	for _, k := range rules {
		for _, f := range firewall.Families {
			if settings.WantsRules(cfg, f) {
				errs = append(errs, k.Saved[f].Unknown())
			}
		}
	}
	return errors.Join(errs...)
}
