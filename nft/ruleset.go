package nft

import (
	"net/netip"
	"slices"
)

// Ruleset is what nf_tables holds in one network namespace.
type Ruleset struct {
	Generation uint32  // of all rules, as they were read
	Tables     []Table // in the kernel's order

	// Misread are the rules that the tools of iptables show only in part.
	Misread []Misread

	devices map[string]int // the numbers of devices, if rules ask for one
	back    *Ruleset       // see Turned
}

// Table is a table of nf_tables.
type Table struct {
	Family  Family
	Name    string
	Dormant bool // its chains see no packets
	Shared  bool // the tools of iptables show the rest of it
	Chains  []Chain
	Sets    map[string]*Set

	byName map[string]*Chain
}

// String returns nft's name for a table, such as "inet filter".
func (t *Table) String() string { return string(t.Family) + " " + t.Name }

// Chain returns a chain by its name, or nil.
func (t *Table) Chain(name string) *Chain { return t.byName[name] }

// index finds the chains by name. The chains must not be moved afterwards.
func (t *Table) index() {
	t.byName = make(map[string]*Chain, len(t.Chains))
	for i := range t.Chains {
		t.byName[t.Chains[i].Name] = &t.Chains[i]
	}
}

// Family is the family of a table.
type Family string

// The families that see packets of IP.
const (
	Inet   Family = "inet"
	IPv4   Family = "ip"
	IPv6   Family = "ip6"
	Netdev Family = "netdev"
	Bridge Family = "bridge"
	ARP    Family = "arp"
)

// Chain is a chain of a table.
type Chain struct {
	Name  string
	Rules []Rule

	// The rest is for base chains, which the kernel itself sends packets to.
	Hook     Hook // empty: packets come only by jumps
	Type     string
	Priority int32
	Drops    bool     // its policy: packets that reach its end are dropped
	Devices  []string // of ingress and egress

	Shown bool // by the tools of iptables, except for rules that they show wrong
}

// Hook is the point in the kernel where a base chain is attached.
type Hook string

// The hooks for incoming and for outgoing packets.
const (
	Ingress     Hook = "ingress"
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Forward     Hook = "forward"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
	Egress      Hook = "egress"
)

// Rule is a rule of a chain.
type Rule struct {
	Handle uint64
	Steps  []Step // one after the other; the first that does not match ends the rule

	Native bool // the tools of iptables cannot show all of it
}

// Step is a part of a rule: exactly one of its fields is set.
type Step struct {
	Match   *Match
	Map     *Map     // a verdict map
	Verdict *Verdict // the end of the rule
	Mark    *Mark    // the packet's mark is changed
	NAT     *NAT
	Add     *Add

	// Track excludes the packet from connection tracking ("notrack"), or changes how it is
	// tracked ("ct zone set").
	Track Tracking

	// Unknown is a part that is not understood. It is not known whether the rule goes on after
	// it.
	Unknown string

	// Note is a part that neither matches nor ends, such as "counter".
	Note string
}

// Match compares fields of a packet with values.
type Match struct {
	Fields []Field // more than one for a concatenation
	Not    bool

	Set    string  // the values are in this set of the table, or
	Ranges []Range // these are the values, of one field, or
	Mask   []byte  // of the bits of the field that are set here

	Device string // the name of the device, if one is matched by its number and has a name
}

// Map ends a rule with the verdict that a verdict map has for a packet.
type Map struct {
	Fields []Field
	Set    string
}

// Verdict is what a rule does with a packet.
type Verdict struct {
	Kind  Kind
	Chain string // of jump and goto
}

// Kind is the kind of a verdict.
type Kind string

// The verdicts.
const (
	Accept Kind = "accept" // goes on to the next base chain
	Drop   Kind = "drop"
	Reject Kind = "reject" // dropped, and answered
	Jump   Kind = "jump"
	Goto   Kind = "goto"
	Return Kind = "return"
	Taken  Kind = "taken" // decided elsewhere: queue, nat, forward
)

// Mark changes a packet's mark; Value is nil if the new mark is not understood.
type Mark struct{ Value []byte }

// NAT sends a packet to another address.
type NAT struct {
	Family Family     // of the packets: Inet or empty for both
	To     netip.Addr // invalid if it is not one fixed address
	Local  bool       // to another port of this host (redirect)

	Port    uint16 // 0: the port stays
	AnyPort bool   // it may be any of several
}

// Range is from one value to another, both included, in the byte order that the kernel uses for
// the field.
type Range struct{ First, Last []byte }

// About reports whether nat applies to packets of IPv6, or of IPv4.
func (n *NAT) About(is6 bool) bool {
	return n.Family != IPv4 && n.Family != IPv6 || is6 == (n.Family == IPv6)
}

// Set is a set or a map.
type Set struct {
	Name      string
	Anonymous bool
	KeyLength int
	Interval  bool
	Concat    bool // its keys are concatenations
	Verdicts  bool // a verdict map
	Addresses bool // its keys are addresses, or begin with one
	Size      int  // the most elements it can have; 0: any number
	Expires   bool // its elements may have a time-out

	// Read means that the elements were read. Those of sets of addresses are read only on
	// request; see [Options].
	Read bool

	Elements []Element // sorted by key, disjoint unless Concat
	Rest     *Element  // stands for all other keys
}

// Add adds a packet's values to a set, or removes them. If the set has no room, the rule ends for
// that packet.
type Add struct {
	Set     string
	Fields  []Field
	Not     bool // inverted: the rule goes on only if the set has no room
	Removes bool // removes the values; then the rule always goes on
}

// Tracking is what is known of a packet's connection from the rules it has passed. A packet that
// begins a connection has the state "new" once the kernel has looked for its connection. Before
// that it has none, and matches as "invalid".
type Tracking int

const (
	Tracked      Tracking = iota
	Untracked             // a rule has removed it from tracking: it stays so
	Templated             // a rule has set how to track it: it is new from then on
	MaybeTracked          // any of those; no step of a rule has this value
)

// Without returns the rules without those for which some is true.
func (r *Ruleset) Without(some func(rule *Rule) bool) *Ruleset {
	rest := &Ruleset{Generation: r.Generation, Misread: r.Misread, Tables: slices.Clone(r.Tables), devices: r.devices}
	for i := range rest.Tables {
		t := &rest.Tables[i]
		t.Chains = slices.Clone(t.Chains)
		for j := range t.Chains {
			t.Chains[j].Rules = slices.DeleteFunc(slices.Clone(t.Chains[j].Rules), func(rule Rule) bool { return some(&rule) })
		}
		t.index()
	}
	return rest
}
