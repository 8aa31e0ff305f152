// Package state is what the processes of voipbl share: the state folder and the run
// folder, locks, the record of what was last put into the kernel's sets, notes of what
// could not be written, the last good configuration, and the agent's socket as whoever
// asks sees it.
//
// It stands below everything that changes the kernel, and changes nothing there itself.
package state
