package iptables

// Names that tell voipbl's rules and chains from those of other programs.
const (
	// ChainPrefix begins the names of voipbl's chains, and of no others.
	ChainPrefix = "VOIPBL-"

	// CommentPrefix begins the comment of each of voipbl's rules. It tells them from other
	// programs' rules in the kernel's own chains.
	CommentPrefix = "voipbl: "
)

// voipbl's chains.
const (
	// DropChain logs and drops; it exists only if drops are logged.
	DropChain = ChainPrefix + "DROP"

	// BaseChain holds the base rules.
	BaseChain = ChainPrefix + "INPUT"

	// SIPChain counts requests that do not begin as phones begin them.
	SIPChain = ChainPrefix + "SIP"
)

// SSHChain is fail2ban's chain for SSH, which base rules jump to. The published ruleset, which
// the base rules follow, uses this name.
const SSHChain = "fail2ban-ssh"

// IsBaseChain reports whether a chain holds base rules.
func IsBaseChain(name string) bool { return name == BaseChain || name == SIPChain }
