package asterisk

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
)

// astReader reads the configuration of a machine's Asterisk.
type astReader struct {
	*probe.Look
	execIncludes bool     // Asterisk runs "#exec" lines
	skipped      []string // lines that Asterisk ignores
}

// astConfig reads a file of Asterisk and its includes. A missing file counts as empty: Asterisk
// uses its defaults then.
func (r *astReader) astConfig(name string) *astConfig {
	path := filepath.Join(Folder, name)
	text, err := r.Read(path)
	if probe.Absent(err) {
		return &astConfig{}
	}
	if err != nil {
		r.Unknown(path, err, "look at it: Asterisk cannot read it either")
		return &astConfig{}
	}
	c := parseAsterisk(source{path, text}, r.included, r.execIncludes)
	r.note(path, c.problems)
	return c
}

// included finds the files of an include as Asterisk does: below its folder unless the name begins
// with "/".
func (r *astReader) included(pattern string) ([]source, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(Folder, pattern)
	}
	paths, err := filepath.Glob(r.Path(pattern))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: %w", pattern, fs.ErrNotExist)
	}
	var sources []source
	var errs []error
	for _, path := range paths[:min(len(paths), maxAstFiles)] {
		text, err := probe.ReadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sources = append(sources, source{r.Shown(path), text})
	}
	return sources, errors.Join(errs...)
}

// hasModule reports whether Asterisk loads a module: it is installed, and modules.conf does not
// exclude it. chan_sip was removed in Asterisk 21, but its configuration often stays behind.
func (r *astReader) hasModule(modules *astConfig, name string) bool {
	for _, lib := range []string{"usr/lib*/asterisk/modules", "usr/lib/*/asterisk/modules", "usr/local/lib*/asterisk/modules"} {
		if built, _ := filepath.Glob(r.Path(filepath.Join(lib, "*.so"))); len(built) > 0 {
			if !slices.ContainsFunc(built, func(path string) bool { return filepath.Base(path) == name+".so" }) {
				return false
			}
			break
		}
	}
	return loadsModule(modules.section("modules"), name)
}

// loadsModule reports whether the section [modules] loads a module: "noload" always wins, and with
// "autoload=no" only listed modules are loaded (main/loader.c).
func loadsModule(s *astSection, name string) bool {
	named := func(variables ...string) bool {
		for _, v := range variables {
			for _, m := range s.all(v) {
				if strings.TrimSuffix(m, ".so") == name {
					return true
				}
			}
		}
		return false
	}
	if named("noload") {
		return false
	}
	autoload := s.get("autoload")
	return autoload == "" || astTrue(autoload) || named("load", "preload", "require", "preload-require")
}

// note reports skipped lines. Lines that Asterisk ignores as well are no gap in the facts.
func (r *astReader) note(path string, problems []astProblem) {
	for _, effect := range []astEffect{fileRefused, fileCut, notRead} {
		var errs []error
		for _, p := range problems {
			if p.effect == effect {
				errs = append(errs, p.err)
			}
		}
		r.Unknown("part of "+path, several(errs), astRemedies[effect])
	}
	for _, p := range problems {
		if p.effect == lineSkipped {
			r.skipped = append(r.skipped, p.err.Error())
		}
	}
}
