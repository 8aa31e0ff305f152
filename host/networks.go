package host

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/netdump"
	"github.com/voipbl/voipbl/internal/probe"
)

// FindNetworks lists the host's addresses and their networks.
func FindNetworks(l *probe.Look) []Network {
	all, err := hostNetworks()
	l.Unknown("the networks of this host", err, "ip address")
	return all
}

func hostNetworks() ([]Network, error) {
	links, err := netdump.Steady(netlink.LinkList)
	if err != nil {
		return []Network{}, fmt.Errorf("list interfaces: %w", err)
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	addrs, err := netdump.Steady(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return []Network{}, fmt.Errorf("list addresses: %w", err)
	}
	networks := []Network{}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		if !ok {
			continue
		}
		if n, ok := newNetwork(names[a.LinkIndex], ip.Unmap(), bits); ok {
			networks = append(networks, n)
		}
	}
	return networks, nil
}

// Local returns the private networks that this host is in, without those of containers. They most
// likely are its local networks; a public network is shared with strangers.
func Local() []netip.Prefix {
	all, err := hostNetworks()
	if err != nil {
		return nil
	}
	var local []netip.Prefix
	for _, n := range all {
		if n.Private && !n.Container && !n.Prefix.IsSingleIP() && !slices.Contains(local, n.Prefix) {
			local = append(local, n.Prefix)
		}
	}
	return local
}

// newNetwork describes an address of an interface. It returns false for an address that no phone on
// another link can reach.
func newNetwork(iface string, addr netip.Addr, bits int) (Network, bool) {
	p := netip.PrefixFrom(addr, bits).Masked()
	if !p.IsValid() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() {
		return Network{}, false
	}
	return Network{Interface: iface, Addr: addr, Prefix: p, Private: addr.IsPrivate(), Container: containerBridge().MatchString(iface)}, true
}

// containerBridge matches the names of the host's end of networks of containers and virtual
// machines: Docker (docker0, docker_gwbridge, and "br-" with 12 digits of the network's id, so not
// "br-lan"), Podman and CNI plugins, libvirt, LXC, LXD and Incus, Kubernetes.
var containerBridge = lazyregexp.New(`^(docker\d+|docker_gwbridge|br-[0-9a-f]{12}|cni\d+|cni-.*|podman\d+|virbr\d+|veth.*|lxcbr\d+|lxdbr\d+|incusbr\d+|flannel.*|cali.*|kube-.*|nodelocaldns|weave)$`)

// Network is an address of this host and its network.
type Network struct {
	Interface string       `json:"interface"`
	Addr      netip.Addr   `json:"addr"`
	Prefix    netip.Prefix `json:"prefix"`    // masked
	Private   bool         `json:"private"`   // RFC 1918, RFC 4193
	Container bool         `json:"container"` // a bridge of Docker or the like, without phones
}
