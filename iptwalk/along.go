package iptwalk

import (
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// Along is the direction of the packets that a tracer follows.
type Along int

const (
	Inwards  Along = iota // from elsewhere, for this host or for others
	Answers               // this host's answers
	Onwards               // from elsewhere, forwarded to a container or another host
	Answered              // the answers from there
)

// wayIn is a chain that packets come through.
type wayIn struct {
	at        place
	forwarded bool // its packets are for, or from, another host
}

// ways returns the chains that packets come through, in order. None are in nat: packets that
// begin a connection are not dropped there, and others do not go through it.
func (a Along) ways() []wayIn { return allWays[a] }

var allWays = [...][]wayIn{
	Inwards: {
		{place{"raw", "PREROUTING"}, false}, {place{"mangle", "PREROUTING"}, false},
		{place{"mangle", "INPUT"}, false}, {place{"filter", "INPUT"}, false}, {place{"security", "INPUT"}, false},
		{place{"mangle", "FORWARD"}, true}, {place{"filter", "FORWARD"}, true}, {place{"security", "FORWARD"}, true},
	},
	Answers: {
		{place{"raw", "OUTPUT"}, false}, {place{"mangle", "OUTPUT"}, false}, {place{"filter", "OUTPUT"}, false}, {place{"security", "OUTPUT"}, false},
		{place{"mangle", "POSTROUTING"}, false},
	},
	Onwards: {
		{place{"raw", "PREROUTING"}, false}, {place{"mangle", "PREROUTING"}, false},
		{place{"mangle", "FORWARD"}, true}, {place{"filter", "FORWARD"}, true}, {place{"security", "FORWARD"}, true}, {place{"mangle", "POSTROUTING"}, true},
	},
	Answered: {
		{place{"raw", "PREROUTING"}, true}, {place{"mangle", "PREROUTING"}, true},
		{place{"mangle", "FORWARD"}, true}, {place{"filter", "FORWARD"}, true}, {place{"security", "FORWARD"}, true}, {place{"mangle", "POSTROUTING"}, true},
	},
}

// isBack reports whether packets go back to where connections come from. The source then is their
// destination, so rules are read with both ends swapped.
func (a Along) isBack() bool { return a == Answers || a == Answered }

// Along returns a tracer of the same rules for another direction.
func (t *Tracer) Along(a Along) *Tracer {
	along := NewTracer(t.saved, t.in)
	along.along, along.left = a, t.left
	if a.isBack() == t.along.isBack() {
		along.read = t.read
	}
	return along
}

// MayStop reports whether any chain in this direction has a rule, or a policy that drops.
func MayStop(s *iptables.Saved, a Along) bool {
	for _, w := range a.ways() {
		if c := s.Tables[w.at.table][w.at.chain]; c != nil && (len(c.Rules) > 0 || c.Policy == "DROP") {
			return true
		}
	}
	return false
}

// bothEnds are pairs of options, for one end of a connection and for the other.
var bothEnds = [][2]string{
	{"-s", "-d"}, {"-i", "-o"}, {"--sport", "--dport"}, {"--sports", "--dports"}, {"--src-range", "--dst-range"}, {"--src-type", "--dst-type"},
	{"--source-country", "--destination-country"}, {"--src-cc", "--dst-cc"}, {"--rsource", "--rdest"},
}

// otherEnd returns the same option for the other end.
func otherEnd(option string) string {
	for _, e := range bothEnds {
		switch option {
		case e[0]:
			return e[1]
		case e[1]:
			return e[0]
		}
	}
	return option
}

// turnRound swaps the ends in a rule's words: the destination of an answer is where the
// connection came from.
func turnRound(all []string) []string {
	back := make([]string, 0, len(all))
	for i := 0; i < len(all); i++ {
		switch w := all[i]; w {
		case "-j", "-g":
			return append(back, all[i:]...)
		case "--comment", "--name":
			back = append(back, w, iptables.Next(all, i))
			i++
		case "--tcp-flags":
			back = append(back, "--flags-of-an-answer") // unlike those of a first packet
			i += 2
		case "--match-set":
			sides := strings.NewReplacer("src", "dst", "dst", "src").Replace(iptables.Next(all, i+1))
			back = append(back, w, iptables.Next(all, i), sides)
			i += 2
		default:
			back = append(back, otherEnd(w))
		}
	}
	return back
}
