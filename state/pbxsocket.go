package state

import (
	"context"
	"time"
)

// The agent has a second socket in the run folder for the process that watches the PBX, which has
// no rights and is not trusted: it reads what strangers send. On this socket the agent answers only
// POST /ban (see package bans), POST /phones and POST /trunks (see package known), and what the watcher asks for its
// settings and tells of its health (see package pbx/link).
const (
	PBXSocket = "pbx.sock"

	// PBXGroup is the group that may connect to PBXSocket, if there is one; else only root may.
	PBXGroup = "voipbl-pbx"
)

// maxPBXAnswer is the most bytes of an answer that are read: room for all registered phones, with
// long accounts.
const maxPBXAnswer = 8 << 20

// TellPBX sends a request to the agent's socket for the process that watches the PBX, and reads the
// answer into v. It needs no rights but those to connect. The error is a [*NoAgentError] if no agent
// listens there.
func TellPBX(ctx context.Context, runDir, path string, wait time.Duration, what, v any) error {
	return tellSocket(ctx, runDir, PBXSocket, path, wait, what, v, maxPBXAnswer)
}
