// Package state has what the processes of voipbl share: the state folder and the run
// folder, locks, the record of what was last written to the kernel's sets, notes of
// failed writes, the last good configuration, and the client side of the agent's
// socket.
//
// It changes no sets and no rules. All packages that do use it; it stands on fetch for
// files, and on config, banlist, firewall and ipsetsync for their types.
package state
