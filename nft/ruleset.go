package nft

import (
	"net/netip"
	"slices"
)

// Ruleset is what nf_tables holds in one network namespace.
type Ruleset struct {
	Generation uint32  // of all rules, as they were read
	Tables     []Table // in the kernel's order

	// Misread are the rules of which the tools of iptables tell less than there is.
	Misread []Misread

	devices map[string]int // the numbers of devices, where rules ask for one
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

// String is how nft names a table, such as "inet filter".
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

	// What follows is of base chains: those that the kernel itself sends packets to.
	Hook     Hook // empty: packets come by jumps alone
	Type     string
	Priority int32
	Drops    bool     // its policy: what comes to its end is dropped
	Devices  []string // of ingress and egress

	Shown bool // by the tools of iptables, but for rules that they show wrong
}

// Hook is where in the kernel a base chain stands.
type Hook string

// The hooks of packets that come in, and of those that go out.
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

	// Track is that the packet is not to belong to a connection ("notrack"), or to one
	// that is tracked in a way of its own ("ct zone set").
	Track Tracking

	// Unknown is something that is not understood: whether the rule goes on behind it
	// cannot be told.
	Unknown string

	// Note is something that neither matches nor ends, such as "counter".
	Note string
}

// Match asks for something of a packet.
type Match struct {
	Fields []Field // more than one for a concatenation
	Not    bool

	Set    string  // the values are in this set of the table, or
	Ranges []Range // these are the values, of one field, or
	Mask   []byte  // of the bits of the field that are set here

	Device string // the name of a device that is asked for by its number, if it has one
}

// Map ends a rule by what a verdict map says of a packet.
type Map struct {
	Fields []Field
	Set    string
}

// Verdict is what becomes of a packet.
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
	Taken  Kind = "taken" // another program or another place decides: queue, nat, forward
)

// Mark is a change of a packet's mark; nil for one that is not understood.
type Mark struct{ Value []byte }

// NAT sends a packet to another address.
type NAT struct {
	Family Family     // of the packets: Inet or empty for both
	To     netip.Addr // invalid if it is not a single, fixed one
	Local  bool       // to another port of this host (redirect)

	Port    uint16 // 0: the one that packets have come for
	AnyPort bool   // it may be any of several
}

// Range is from a value to another one, both included, in the kernel's byte order of
// the field.
type Range struct{ First, Last []byte }

// About reports whether nat is for packets of IPv6, or of IPv4.
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
	Size      int  // how many elements it takes; 0: any number
	Expires   bool // its elements may have a time-out

	// Read is that the elements were read. Of sets of addresses they are read only where
	// somebody asks for them.
	Read bool

	Elements []Element // sorted by key, disjoint unless Concat
	Rest     *Element  // the one for all other keys
}

// Add puts something of a packet into a set, or takes it out. The rule ends there for a
// packet for which the set has no room.
type Add struct {
	Set     string
	Fields  []Field
	Not     bool // the rule goes on for those alone
	Removes bool // then it always goes on
}

// Tracking is what is known of the connection that a packet belongs to, by the rules that
// it has come through. A packet that begins something has the state "new" once the kernel
// has looked for its connection. Before that it has none, and matches as "invalid".
type Tracking int

const (
	Tracked      Tracking = iota
	Untracked             // a rule has taken it out: it stays so
	Templated             // a rule has told the kernel how to track it: it is new from then on
	MaybeTracked          // any of those; no step of a rule says so
)

// Without are the rules without some of them.
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
