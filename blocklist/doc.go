// Package blocklist puts in force what is to be blocked, once: [Sync] fetches the lists, takes
// out who is exempt, fills the kernel's sets and has the rules drop their members. [Check],
// [ReadStatus] and [Remove] answer and undo.
//
// It returns values with JSON names; what a person sees of them is the command's business.
// Doing it again and again is the agent's.
package blocklist
