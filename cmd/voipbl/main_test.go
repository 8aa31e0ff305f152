package main

import (
	"errors"
	"github.com/voipbl/voipbl/internal/exit"
	"strings"
	"testing"
)

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space") }

// TestOutputThatCannotBeWritten: a full disk behind a redirection is an error.
func TestOutputThatCannotBeWritten(t *testing.T) {
	var stderr strings.Builder
	if code := run(t.Context(), []string{"version"}, broken{}, &stderr); code != exit.Usage || !strings.Contains(stderr.String(), "the output could not be written: no space") {
		t.Errorf("code %d, %q", code, stderr.String())
	}
}
