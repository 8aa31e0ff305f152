//go:build !amd64

package testfault

var oldCalls []uint32

func isOldOpen(int32) bool   { return false }
func isOldRename(int32) bool { return false }
