// Package trial applies base rules for an admin: it puts them on trial, keeps them when they are
// confirmed, and takes them back when nobody confirms them in time. It records the rules that
// were there before, arms the timer that restores them, and judges whether a confirmation proves
// anything. Whoever changes rules calls [SettleAndEnsure], which ends an overdue trial.
//
// It does not decide which rules are wanted or whether they may be installed: package rules,
// on which it stands, does. The agent, blocklist, bans, setup and the commands import it.
// [SettleAndEnsure], which ends a trial whose time is over.
package trial
