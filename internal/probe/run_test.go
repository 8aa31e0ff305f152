package probe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRun runs programs that hang, that write too much, and whose children keep the
// output open.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("too late"))
	defer cancel()
	begun := time.Now()
	if _, _, err := Run(ctx, "sh", "-c", "sleep 60 & sleep 60"); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("what hangs: %v", err)
	}
	if took := time.Since(begun); took >= time.Minute {
		t.Errorf("what hangs took %s", took)
	}
	if out, _, err := Run(t.Context(), "sh", "-c", "exec yes"); !errors.Is(err, ErrOutput) || len(out) > MaxOutput {
		t.Errorf("what says too much: %d bytes, %v", len(out), err)
	}
	out, said, err := Run(t.Context(), "sh", "-c", "cat; echo $LC_ALL; echo no >&2; exit 3")
	var e *RunError
	if !errors.As(err, &e) || out != "C\n" || said != "no\n" || !strings.Contains(err.Error(), "exit status 3: no") || e.Remedy() == "" {
		t.Errorf("%q, %q, %v", out, said, err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, maxFile+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		big: "more than", dir: "not a regular file", "/dev/zero": "not a regular file", filepath.Join(dir, "absent"): "no such file",
	} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
