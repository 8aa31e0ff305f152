package problem

// The values of Problem.Reason of base rules that are not installed for these reasons.
const (
	ReasonUntried = "untried"
	ReasonLockout = "lock-out"
)
