//go:build man

// With the build tag man this program writes the manual. In the top folder of the source,
//
//	go run -tags man ./cmd/voipbl DIR [COMPLETIONS]
//
// writes all pages into DIR, and a completion script for each shell into COMPLETIONS. The
// program that people install contains none of this.

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/manpage"
)

// commentedConfig is the source of voipbl.yaml(5).
const commentedConfig = "packaging/voipbl.yaml"

func main() {
	if len(os.Args) != 2 && len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run -tags man ./cmd/voipbl DIR [COMPLETIONS]")
		os.Exit(exit.Usage)
	}
	err := writeManual(os.Args[1])
	if err == nil && len(os.Args) == 3 {
		err = writeCompletions(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(exit.NotApplied)
	}
}

// writeCompletions writes what "voipbl completion" prints.
func writeCompletions(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	a := newApp(io.Discard, io.Discard)
	root := a.command()
	for _, shell := range a.completionCommand().ValidArgs {
		var script bytes.Buffer
		if err := writeCompletion(&script, root, shell); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, shell), script.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func writeManual(dir string) error {
	build, err := thisBuild()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	a := newApp(io.Discard, io.Discard)
	root := a.command()
	for _, cmd := range manpage.Pages(root) {
		page, err := manpage.Command(cmd, build)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, manpage.Name(cmd)+".8"), page, 0o644); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(commentedConfig)
	if err != nil {
		return err
	}
	page, err := manpage.Config(text, root, build)
	if err != nil {
		return fmt.Errorf("%s: %w", commentedConfig, err)
	}
	return os.WriteFile(filepath.Join(dir, "voipbl.yaml.5"), page, 0o644)
}

// thisBuild takes the date from SOURCE_DATE_EPOCH (reproducible-builds.org), so that the same
// source makes the same pages. Without that variable the pages have no date.
func thisBuild() (manpage.Build, error) {
	b := manpage.Build{Version: version}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return b, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return b, fmt.Errorf("SOURCE_DATE_EPOCH=%s: expected seconds since 1970", epoch)
	}
	b.Date = time.Unix(seconds, 0)
	return b, nil
}
