package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	folder, err := os.Open(runDir)
	if errors.Is(err, fs.ErrNotExist) {
		return &NoAgentError{}
	}
	if err != nil {
		return &RunDirError{err}
	}
	defer folder.Close()
	response, err := request(ctx, folder, PBXSocket, http.MethodPost, path, what)
	switch {
	case errors.Is(err, unix.ENOENT):
		return &NoAgentError{}
	case errors.Is(err, unix.ECONNREFUSED):
		return &NoAgentError{Died: true}
	case err != nil:
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	defer response.Body.Close()
	body := io.LimitReader(response.Body, maxPBXAnswer)
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(body, 200))
		return fmt.Errorf("the agent refuses it: %d: %s", response.StatusCode, strings.TrimSpace(string(text)))
	}
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("the agent's answer: %w", err)
	}
	return nil
}
