// Package trial is base rules as an admin asks for them: applied on trial, confirmed, or taken
// back because nobody confirmed them in time.
//
// Which rules are wanted, and whether they may be installed, is decided in package rules, and
// carried out there; this package notes what stood before, arms the timer that takes the rules
// back, and judges whether a confirmation proves anything. Whoever changes rules calls
// [SettleAndEnsure], which ends a trial whose time is over.
package trial
