// Package rules decides which rules this host is to have and whether they may be installed
// now, installs them, and tells how they stand. How an admin puts base rules on trial and
// confirms them is the business of package trial.
//
// A [Decision] is made by one pure function, decide, from values that were looked up before:
// what is asked for (want), what stands (sight), and the [Circumstances] of whoever will act.
// Status, diff and a dry run show it; apply, sync and the agent carry out the same one, by
// [Hold.Commit]. What the rules look like as text is the business of package ruleset.
package rules
