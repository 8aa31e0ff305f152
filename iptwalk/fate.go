package iptwalk

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// fate is what becomes of packets.
type fate string

const (
	goesOn   fate = ""       // the next rule
	accepted fate = "accept" // let in
	closed   fate = "closed" // dropped or rejected
	mixed    fate = "mixed"  // some of one, some of the other, or something else
)

// fateOf returns what a target does with each packet that reaches it, if it certainly ends there.
func fateOf(target string) fate {
	switch target {
	case "ACCEPT":
		return accepted
	case "DROP", "REJECT":
		return closed
	}
	return goesOn
}

// both combines the fates of two parts of the packets.
func both(a, b fate) fate {
	switch {
	case a == goesOn, a == b:
		return b
	case b == goesOn:
		return a
	}
	return mixed
}

// maxDepth is how deep chains are followed. The kernel refuses loops, but a listing may contain
// anything.
const maxDepth = 32

// fates are the fates of the chains of a table, each found once: chains that jump to each other
// have many more ways through them than rules.
type fates struct {
	saved *iptables.Saved
	table string
	ended map[string]ended
	lasts map[string]lastFate
}

type ended struct {
	all     fate
	certain bool
}

type lastFate struct {
	fate
	unclear bool
}

func fatesOf(s *iptables.Saved, table string) *fates {
	return &fates{s, table, make(map[string]ended), make(map[string]lastFate)}
}

// ends returns what becomes of packets that a rule sends to a target: of all of them if certain,
// else some come back. In a chain it is certain if a rule matches and ends every packet, and none
// above it can send one back. The kernel refuses loops, but a listing may contain anything: a
// chain that comes back to itself is mixed.
func (k *fates) ends(target string) (all fate, certain bool) {
	if f := fateOf(target); f != goesOn {
		return f, true
	}
	if e, known := k.ended[target]; known {
		return e.all, e.certain
	}
	k.ended[target] = ended{mixed, false}
	all, certain = k.endsIn(target)
	k.ended[target] = ended{all, certain}
	return all, certain
}

func (k *fates) endsIn(chain string) (all fate, certain bool) {
	for _, r := range k.saved.Rules(k.table, chain) {
		m := readMatch(r.Text)
		f, sure := k.ends(m.target)
		switch {
		case m.target == "RETURN", m.goTo && !sure:
			return both(all, f), false
		case sure && m.everything():
			return both(all, f), true
		}
		all = both(all, f)
		if m.target != "" && f == goesOn && !k.saved.HasChain(k.table, m.target) && !passive(m.target) {
			all = mixed // an unknown target, such as NFQUEUE
		}
	}
	return all, false
}

// passive reports whether a target only records something.
func passive(target string) bool {
	return slices.Contains([]string{
		"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "HMARK", "SECMARK", "CONNSECMARK", "SET", "TRACE", "AUDIT", "ACCOUNT",
		"CT", "NOTRACK", "TCPMSS", "TCPOPTSTRIP", "TOS", "DSCP", "ECN", "TTL", "HL", "CHECKSUM", "CLASSIFY", "TEE", "IDLETIMER", "LED", "RATEEST",
	}, target)
}

// last returns what becomes of a packet that no rule of a chain names by source, port or the
// like: a stranger's, to a port that nobody has opened. unclear means that this is not known.
func (k *fates) last(chain string) (f fate, unclear bool) {
	if l, known := k.lasts[chain]; known {
		return l.fate, l.unclear
	}
	k.lasts[chain] = lastFate{goesOn, true} // for a chain that comes back to itself
	f, unclear = k.lastIn(chain)
	k.lasts[chain] = lastFate{f, unclear}
	return f, unclear
}

func (k *fates) lastIn(chain string) (f fate, unclear bool) {
	for _, r := range k.saved.Rules(k.table, chain) {
		m := readMatch(r.Text)
		end, doubt := fateOf(m.target), false
		if end == goesOn && k.saved.HasChain(k.table, m.target) {
			end, doubt = k.last(m.target)
		}
		switch {
		case m.everything() && m.target == "RETURN", m.everything() && m.goTo:
			return end, unclear || doubt
		case m.everything() && end != goesOn:
			return end, unclear || doubt
		case (end == closed || doubt) && asksNothing(r.Text):
			unclear = true
		}
	}
	return goesOn, unclear
}

// asksNothing reports whether a rule is for anybody to anywhere, although it does not match every
// packet: it may be for one interface, or for new connections. A default may consist of such
// rules.
func asksNothing(rule string) bool {
	m := readMatch(rule)
	if m.src.IsValid() || m.dst.IsValid() || fewPorts(m.sports) || fewPorts(m.dports) || m.in == "lo" {
		return false
	}
	all := iptables.Words(rule)
	for i, w := range all {
		switch {
		case w == "-m" && !slices.Contains([]string{"state", "conntrack", "comment", "tcp", "udp", "addrtype"}, iptables.Next(all, i)):
			return false
		case (w == "--state" || w == "--ctstate") && !slices.Contains(strings.Split(iptables.Next(all, i), ","), "NEW"):
			return false
		}
	}
	return true
}

// fewPorts reports whether ports are asked for, and only few of them.
func fewPorts(ports []PortRange) bool {
	n := 0
	for _, p := range ports {
		n += int(p.Last) - int(p.First) + 1
	}
	return ports != nil && n <= 1<<15
}

// Reception is what INPUT does with packets that no rule of it names.
type Reception string

const (
	LetsIn   Reception = "open"
	KeepsOut Reception = "closed"
	Unclear  Reception = "unclear" // the rules are too complex to tell
)

// ReceptionOf returns whether this family's INPUT is closed to strangers, by its policy or its last
// rule. A family that the kernel lacks is closed.
func ReceptionOf(s *iptables.Saved) Reception {
	if s.Absent {
		return KeepsOut
	}
	c := s.Tables["filter"]["INPUT"]
	if s.Readable("filter") != nil {
		return Unclear
	}
	if c == nil {
		return LetsIn
	}
	f, unclear := fatesOf(s, "filter").last("INPUT")
	switch {
	case f == closed, f == goesOn && c.Policy == "DROP":
		return KeepsOut
	case unclear:
		return Unclear
	}
	return LetsIn
}
