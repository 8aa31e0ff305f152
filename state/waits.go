package state

import "time"

// LockWait is for a lock that others hold for a moment.
const LockWait = 30 * time.Second

// LookWait is for who only looks: whoever has the lock puts things right.
const LookWait = time.Second
