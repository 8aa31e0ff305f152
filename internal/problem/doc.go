// Package problem describes what is wrong: in one stable word, in a sentence, and by what
// a person can do about it, for the terminal and for programs.
//
// [Of] makes a [Problem] of any error. An error that has a word of its own for what failed
// says it by a method Explain; one that only knows the way out has a method Remedy. What
// comes from the process and not from what it was about (no rights, no files) comes first.
//
// It decides nothing, and prints nothing.
package problem
