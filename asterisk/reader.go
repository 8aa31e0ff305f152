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
	execIncludes bool     // Asterisk runs what stands behind "#exec"
	skipped      []string // lines that Asterisk leaves out
}

// astConfig reads a file of Asterisk's, and those that it includes. One that is
// not there is an empty one: Asterisk has its defaults then.
func (r *astReader) astConfig(name string) *astConfig {
	path := filepath.Join(astFolder, name)
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

// included finds the files of an include, as Asterisk does: below its folder unless
// the name begins with "/".
func (r *astReader) included(pattern string) ([]source, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(astFolder, pattern)
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

// hasModule reports whether Asterisk loads a module: it is built, and modules.conf
// does not leave it out. chan_sip went with Asterisk 21, and its configuration often
// stays behind.
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

// loadsModule is what the section [modules] says about a module: "noload" always
// wins, and with "autoload=no" only what is named is loaded (main/loader.c).
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

// note tells what was left out: what Asterisk leaves out too is no gap in what we know.
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
