package iptables

// What tells our rules and chains from those of others.
const (
	// ChainPrefix begins the names of our chains, and of no others.
	ChainPrefix = "VOIPBL-"

	// CommentPrefix begins the comment of each rule of ours. It is how our
	// rules in the kernel's own chains are told from those of others.
	CommentPrefix = "voipbl: "
)

// The chains of ours.
const (
	// DropChain logs and drops; it exists only if drops are logged.
	DropChain = ChainPrefix + "DROP"

	// BaseChain holds the base rules.
	BaseChain = ChainPrefix + "INPUT"

	// SIPChain is where requests are counted that do not begin as phones begin them.
	SIPChain = ChainPrefix + "SIP"
)

// SSHChain is fail2ban's chain for ssh, to which base rules go. Its name is that of the
// ruleset that they are made from.
const SSHChain = "fail2ban-ssh"

// IsBaseChain reports whether a chain holds base rules.
func IsBaseChain(name string) bool { return name == BaseChain || name == SIPChain }
