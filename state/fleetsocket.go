package state

import (
	"context"
	"io"
	"time"
)

// The agent has a third socket in the run folder for the process that talks with the hub of the fleet,
// which has no rights and is not trusted: it reads what the network sends. See package fleet/link for
// what the agent answers there.
const (
	FleetSocket = "fleet.sock"

	// FleetGroup is the group that may connect to FleetSocket, if there is one; else only root may.
	FleetGroup = "voipbl-fleet"
)

// maxFleetAnswer is the most bytes of an answer that are read: room for as many bans of others as there
// may be, each with as many names as it may have.
const maxFleetAnswer = 24 << 20

// TellFleet sends a request to the agent's socket for the process that talks with the hub, and reads the
// answer into v. It needs no rights but those to connect. The error is a [*NoAgentError] if no agent
// listens there.
func TellFleet(ctx context.Context, runDir, path string, wait time.Duration, what, v any) error {
	return tellSocket(ctx, runDir, FleetSocket, path, wait, what, v, maxFleetAnswer)
}

// ReadFleet is TellFleet without a request, for an answer that read takes in piece by piece.
func ReadFleet(ctx context.Context, runDir, path string, wait time.Duration, read func(answer io.Reader) error) error {
	return readSocket(ctx, runDir, FleetSocket, path, wait, nil, read, maxFleetAnswer)
}

// AskFleet is ReadFleet with a request.
func AskFleet(ctx context.Context, runDir, path string, wait time.Duration, what any, read func(answer io.Reader) error) error {
	return readSocket(ctx, runDir, FleetSocket, path, wait, what, read, maxFleetAnswer)
}

// Plain is a request to a socket that is sent as it is, and not as JSON.
type Plain []byte
