package firewall

const SSHChain = "fail2ban-ssh"

// isBaseChain reports whether a chain holds base rules.
func isBaseChain(name string) bool { return name == BaseChain || name == SIPChain }

// The chains of ours.
const (
	// dropChain logs and drops; it exists only if drops are logged.
	dropChain = ChainPrefix + "DROP"

	// BaseChain holds the base rules.
	BaseChain = ChainPrefix + "INPUT"
)

const (
	// ChainPrefix begins the names of our chains, and of no others.
	ChainPrefix = "VOIPBL-"

	// CommentPrefix begins the comment of each rule of ours. It is how our
	// rules in the kernel's own chains are told from those of others.
	CommentPrefix = "voipbl: "
)

// SIPChain is where requests are counted that do not begin as phones begin them.
const SIPChain = ChainPrefix + "SIP"
