// Package agent composes the program: feeds become one set, the set becomes a
// plan, the plan goes into the kernel. It alone imports fetch, ipsetsync and
// firewall, which do not know each other.
//
// [Sync] is the main job, once: it fetches, and then puts what is there in force.
// [Run] is the agent, which does the two halves when each is due, and undoes what
// others do to our sets and rules. [AddBans] puts something in force by itself.
// [Check], [ReadStatus], [OpenTop] and [Remove] answer and undo. What they find out
// they return as values with JSON names; what a person sees of them is the command's
// business.
package agent
