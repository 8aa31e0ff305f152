// Package problem turns an error into a description for people and programs: one stable
// word, a sentence, and a remedy.
//
// [Of] makes a [Problem] from any error. An error with its own word has a method Explain;
// one that only knows a remedy has a method Remedy. Causes in the process itself (missing
// rights, no free file descriptors) come first.
//
// It decides nothing and prints nothing. Nearly all packages use it; it stands on
// fetch, firewall and ipsetsync for their errors.
package problem
