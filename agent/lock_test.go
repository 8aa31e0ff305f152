package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	dir := t.TempDir() + "/run"
	unlock, err := lock(t.Context(), dir, mainLock, "voipbl test", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock(t.Context(), dir, mainLock, "second", 10*time.Millisecond, nil)
	var locked *LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d (voipbl test) since ", os.Getpid())) || locked.Remedy() == "" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lock(ctx, dir, mainLock, "canceled", time.Minute, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waiting := make(chan error)
	go func() {
		unlock, err := lock(t.Context(), dir, mainLock, "third", time.Minute, nil)
		if err == nil {
			unlock()
		}
		waiting <- err
	}()
	unlock()
	if err := <-waiting; err != nil {
		t.Errorf("waited for the lock: %v", err)
	}
}

func TestLockIsNotFollowedThroughALink(t *testing.T) {
	dir := t.TempDir()
	target := dir + "/target"
	os.WriteFile(target, []byte("precious"), 0o644)
	os.Symlink(target, dir+"/lock")
	if _, err := lock(t.Context(), dir, mainLock, "x", 0, nil); err == nil {
		t.Error("a symbolic link was taken for the lock")
	}
	if text, _ := os.ReadFile(target); string(text) != "precious" {
		t.Errorf("the link's target is now %q", text)
	}
}
