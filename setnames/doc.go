// Package setnames knows the names of the kernel's sets that are voipbl's own: those of the
// configuration, those in force, those of before that are still there, and those that
// cannot be had since somebody else's set has them.
package setnames
