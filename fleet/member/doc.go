// Package member is this host's part in a fleet, "voipbl fleet run": it tells the hub of this host's
// bans, hears those of others from the hub, and tells the agent which of these count here. The agent
// changes the kernel. What others send is judged by package fleet, and once more by the agent.
//
// It reads what the network sends, so it runs as a user without rights and keeps no file: the agent
// keeps the bans, and the hub what each host has said. If it is killed, every ban stays until its end.
package member
