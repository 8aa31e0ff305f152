// Package watch runs what watches the PBX, "voipbl pbx run": the sources of observations (hep, ami) and
// the detector of attackers (detect). It tells the agent what follows, and the agent changes the
// kernel. It reads what attackers have written, so it runs as a user without rights: if it is killed,
// flooded or taken over, sets and rules stay as they are.
package watch
