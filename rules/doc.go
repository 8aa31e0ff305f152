// Package rules decides which rules this host is to have and whether they may be installed
// now, installs them, puts base rules on trial, and takes them back.
//
// A decision is made from values: the configuration, what the kernel holds, and the
// [Circumstances] of whoever will act. Status, diff, apply, sync and the agent go by the
// same decision. What the rules look like as text is the business of package firewall.
package rules
