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

// tellSocket sends a request to one of the agent's sockets, and reads the answer into v, of which it takes
// at most so many bytes.
func tellSocket(ctx context.Context, runDir, file, path string, wait time.Duration, what, v any, most int64) error {
	return readSocket(ctx, runDir, file, path, wait, what, func(answer io.Reader) error { return json.NewDecoder(answer).Decode(v) }, most)
}

// readSocket is tellSocket with an answer that read takes in.
func readSocket(ctx context.Context, runDir, file, path string, wait time.Duration, what any, read func(answer io.Reader) error, most int64) error {
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
	response, err := request(ctx, folder, file, http.MethodPost, path, what)
	switch {
	case errors.Is(err, unix.ENOENT):
		return &NoAgentError{}
	case errors.Is(err, unix.ECONNREFUSED):
		return &NoAgentError{Died: true}
	case err != nil:
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	defer response.Body.Close()
	body := io.LimitReader(response.Body, most)
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(body, 200))
		return fmt.Errorf("the agent refuses it: %d: %s", response.StatusCode, strings.TrimSpace(string(text)))
	}
	if err := read(body); err != nil {
		return fmt.Errorf("the agent's answer: %w", err)
	}
	return nil
}
