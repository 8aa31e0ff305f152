package testfault

import "golang.org/x/sys/unix"

// oldCalls are system calls that newer architectures do not have.
var oldCalls = []uint32{unix.SYS_OPEN, unix.SYS_RENAME}

func isOldOpen(nr int32) bool   { return nr == unix.SYS_OPEN }
func isOldRename(nr int32) bool { return nr == unix.SYS_RENAME }
