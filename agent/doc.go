// Package agent composes the program: feeds become one set, the set becomes a
// plan, the plan goes into the kernel. It alone imports fetch, ipsetsync and
// firewall, which do not know each other.
//
// [Sync] is the main job, once. [Check], [ReadStatus] and [Remove] answer and
// undo. What they find out they return as values with JSON names; what a person
// sees of them is the command's business.
package agent
