package rules

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/portrange"
)

// A remedy is made from the configuration in force. If the file differs, what the remedy says to
// add may be written there already, and the file only has to be taken over.

var (
	// addsService finds a service that a remedy says to add; addsNetwork finds a network.
	addsService = lazyregexp.New(`add \{name: [^,]+, proto: (\w+),(?: ports: "([^"]+)",)? from: (lan|any)\}(?: to firewall\.services)?`)
	addsNetwork = lazyregexp.New(`(?:add|and) "([^"]+)" to firewall\.local_networks`)

	// opensService finds a service that a remedy says to open for everyone.
	opensService = lazyregexp.New(`set "from: any" of the service (\S+) \((\w+)\) in firewall\.services`)

	// addsTo finds what a remedy says to add to a list of the configuration.
	addsTo     = lazyregexp.New(`\badd ((?:\{[^}]*\}|"[^"]*")) to (firewall\.[a-z_]+)`)
	andAddsTo  = lazyregexp.New(` and ("[^"]*") to (firewall\.[a-z_]+)`)
	hadAlready = lazyregexp.New(` \("voipbl setup" does\)`)
)

// inTheFile reports whether a file has all that a remedy says to write into it.
func inTheFile(file config.Config, remedy string) bool {
	said := 0
	for _, m := range addsService().FindAllStringSubmatch(remedy, -1) {
		if said++; !hasService(file, m[1], m[2], m[3]) {
			return false
		}
	}
	for _, m := range addsNetwork().FindAllStringSubmatch(remedy, -1) {
		addr, err := netip.ParseAddr(m[1])
		if said++; err != nil || !slices.ContainsFunc(file.Firewall.LocalNetworks, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return false
		}
	}
	for _, m := range opensService().FindAllStringSubmatch(remedy, -1) {
		if said++; !slices.ContainsFunc(file.Firewall.Services, func(s config.Service) bool { return s.Name == m[1] && s.Proto == m[2] && s.From == config.FromAny }) {
			return false
		}
	}
	return said > 0
}

// hasService reports whether the file's services open all the given ports, such as "80,443",
// for those who are to reach them.
func hasService(file config.Config, proto, ports, from string) bool {
	open := func(holds func(s config.Service) bool) bool {
		return slices.ContainsFunc(file.Firewall.Services, func(s config.Service) bool {
			return s.Proto == proto && (s.From == from || s.From == config.FromAny) && holds(s)
		})
	}
	if ports == "" {
		return open(func(config.Service) bool { return true })
	}
	for port := range strings.SplitSeq(ports, ",") {
		r, ok := portrange.Parse(port)
		if covers := func(p config.PortRange) bool { return p.Covers(r) }; !ok || !open(func(s config.Service) bool { return slices.ContainsFunc(s.Ports, covers) }) {
			return false
		}
	}
	return true
}

// seeThatItHas says of what is to be added that it is to be there: nobody knows whether it is
// in a file that cannot be read.
func seeThatItHas(remedy string) string {
	if !addsTo().MatchString(remedy) {
		return remedy
	}
	remedy = addsTo().ReplaceAllString(remedy, "see that $2 has $1")
	return hadAlready().ReplaceAllString(andAddsTo().ReplaceAllString(remedy, ", and $2 $1"), "")
}
