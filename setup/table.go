package setup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// What an admin has to see before saying yes to base rules: who may reach which service, and which
// other listeners are closed. It stays at about a dozen lines however much listens.

const (
	portsWidth    = 28 // how much of a list of ports is shown
	programsWidth = 90 // how much of the list of closed programs is shown
	shownPorts    = 3  // how many ports of one program are shown
)

// fromWords says who is let in.
var fromWords = map[advise.From]string{
	advise.FromLimited: "everyone, within limits", advise.FromEveryone: "everyone", advise.FromLocal: "your networks", advise.FromTrunks: "trunks",
}

// accessLines say what the base rules of fw let in, a line for each kind of source.
func accessLines(openings []advise.Opening, fw config.Firewall) []string {
	lines := []string{"the base rules let in:"}
	whose := map[advise.From]string{
		advise.FromLocal: " (" + strings.Join(texts(fw.LocalNetworks), ", ") + ")", advise.FromTrunks: " (" + strings.Join(texts(fw.Trunks), ", ") + ")",
	}
	var idle []string
	for _, from := range []advise.From{advise.FromLimited, advise.FromEveryone, advise.FromLocal, advise.FromTrunks} {
		var used, unused []string
		for _, o := range openings {
			switch {
			case o.From == from && o.Used:
				used = append(used, fmt.Sprintf("%s (%s)", o.Service, strings.TrimSpace(strings.Join(o.Protos, ", ")+" "+screen.Shorten(o.Ports, portsWidth))))
			case o.From == from:
				unused = append(unused, o.Service)
			}
		}
		if len(used) > 0 {
			lines = append(lines, "  "+fromWords[from]+whose[from]+": "+strings.Join(used, ", "))
		}
		if len(unused) > 0 {
			idle = append(idle, strings.Join(unused, ", ")+" ("+fromWords[from]+")")
		}
	}
	if len(idle) > 0 {
		lines = append(lines, "  also open, though nothing listens there now: "+strings.Join(idle, "; "))
	}
	return lines
}

// closedLines list the other listeners, which are closed. They leave out SIP and services that are
// open to the local networks: accessLines has those. all is the command that lists everything.
func closedLines(closed []lockout.Closed, fw config.Firewall, all string) []string {
	groups, order := make(map[string][]lockout.Closed), []string{}
	for _, c := range closed {
		if c.Named || fw.SIP.Ports.Has(c.Port) {
			continue
		}
		to := show.OpenTo(c)
		if groups[to] == nil {
			order = append(order, to)
		}
		groups[to] = append(groups[to], c)
	}
	if len(order) == 0 {
		return []string{"everything else is closed; nothing else listens now"}
	}
	what := "everything else is closed, also these listeners:"
	if len(order) > 1 || groups[show.OpenToNobody] == nil {
		what = "everything else is closed, or open to networks alone:"
	}
	lines, left := []string{what}, false
	for _, to := range order {
		who := "open to " + to + " only"
		if to == show.OpenToNobody {
			who = "closed to everyone"
		}
		text, more := programsText(groups[to])
		if more > 0 {
			text += " and " + screen.Plural(more, "other program", "other programs")
			left = true
		}
		lines = append(lines, "  "+who+": "+text)
	}
	if left {
		lines = append(lines, "  \""+all+"\" lists all of them")
	}
	return lines
}

// usersLines say who uses closed listeners now.
func usersLines(closed []lockout.Closed) (lines []string) {
	for _, c := range closed {
		if words := c.UsersWords(); words != "" {
			lines = append(lines, "  "+words+", and closed then")
		}
	}
	return lines
}

// programsText names programs with their ports. sshd and VPNs come first, so that they are not cut
// off: admins may depend on them. more is how many programs are left out.
func programsText(closed []lockout.Closed) (text string, more int) {
	ports, order := make(map[string]map[string][]string), []string{}
	for _, first := range []bool{true, false} {
		for _, c := range closed {
			if first != (c.VPN != "" || c.Program == "sshd") {
				continue
			}
			by, port := screen.Clean(c.By()), ""
			if c.Port > 0 {
				port = fmt.Sprint(c.Port)
			}
			if ports[by] == nil {
				ports[by], order = make(map[string][]string), append(order, by)
			}
			if !slices.Contains(ports[by][c.Proto], port) {
				ports[by][c.Proto] = append(ports[by][c.Proto], port)
			}
		}
	}
	for i, by := range order {
		word := by + " (" + portsOf(ports[by]) + ")"
		if i > 0 && len(text)+len(word) > programsWidth {
			return text, len(order) - i
		}
		if i > 0 {
			text += ", "
		}
		text += word
	}
	return text, 0
}

// portsOf lists the ports of a program by protocol.
func portsOf(byProto map[string][]string) string {
	var words []string
	for _, proto := range []string{config.ProtoTCP, config.ProtoUDP} {
		if ports := byProto[proto]; len(ports) > 0 {
			text := strings.Join(ports[:min(len(ports), shownPorts)], ", ")
			if more := len(ports) - shownPorts; more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			words = append(words, proto+" "+text)
		}
	}
	for proto := range byProto { // a protocol without ports is listed once
		if proto != config.ProtoTCP && proto != config.ProtoUDP {
			words = append(words, proto)
		}
	}
	slices.Sort(words)
	return strings.Join(words, "; ")
}

// printAccess prints what is let in, what is closed, and which names are not resolved yet.
func (s *setup) printAccess(p *advise.Proposal) {
	fw := p.Config.Firewall
	for _, line := range accessLines(s.report.Openings, fw) {
		s.Folded(line)
	}
	if names := s.report.Unresolved; len(names) > 0 {
		s.Folded("  no address is known yet for " + strings.Join(names, ", ") + ": voipbl looks it up before it makes the rules")
	}
	closed := closedLines(s.report.Closed, fw, s.Command("--dry-run", "--json"))
	for _, line := range append(closed, usersLines(s.report.Closed)...) {
		s.Folded(line)
	}
	fmt.Fprintln(s.Out)
}
