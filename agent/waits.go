package agent

import "time"

// lockWait is for a lock that others hold for a moment.
const lockWait = 30 * time.Second

// lookWait is for who only looks: whoever has the lock puts things right.
const lookWait = time.Second
