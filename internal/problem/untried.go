package problem

// Values of Problem.Reason for base rules that are not installed.
const (
	ReasonUntried = "untried"
	ReasonLockout = "lock-out"
)
