package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// folder is where the plots and the results are, beside the page.
const folder = "benchmarks"

// write writes the page, its plots, and the results that it is made from. Only a whole run that is
// not quick goes to docs.
func write(r page.Results) error {
	dir := "docs"
	if r.Quick || r.Missing() != nil {
		dir = "dist/bench"
	}
	results, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, folder, "results.json"), append(results, '\n'), 0o644); err != nil {
		return err
	}
	return writePage(dir, r)
}

// render writes the page again.
func render() error {
	if err := os.Chdir(".."); err != nil {
		return err
	}
	file := filepath.Join("docs", folder, "results.json")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var r page.Results
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return writePage("docs", r)
}

// writePage writes the page and its plots. docs/benchmarks/notes.md, if it is there, becomes part of it.
func writePage(dir string, r page.Results) error {
	notes, err := os.ReadFile(filepath.Join("docs", folder, "notes.md"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := r.Markdown(folder, string(notes))
	if err != nil {
		return err
	}
	plots, err := r.Plots()
	if err != nil {
		return err
	}
	for name, plot := range plots {
		if err := os.WriteFile(filepath.Join(dir, folder, name), plot, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "benchmarks.md"), text, 0o644); err != nil {
		return err
	}
	say("%s/benchmarks.md has the figures", dir)
	return nil
}
