package agent

// The values of Problem.Reason of base rules that are not installed for these reasons.
const (
	reasonUntried = "untried"
	reasonLockout = "lock-out"
)
