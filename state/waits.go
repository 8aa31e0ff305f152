package state

import "time"

// LockWait is how long to wait for a lock that others hold for a moment.
const LockWait = 30 * time.Second

// LookWait is how long a command that only looks waits for a lock.
const LookWait = time.Second
