package main

import (
	"cmp"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/voipbl/voipbl/"

// room is a package as docs/architecture.md describes it.
type room struct {
	imports []string // packages of ours that it may import
	pure    bool     // it does nothing outside of itself
}

// impure are packages that a pure one does not need.
var impure = []string{"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"}

// layout reads the table of rooms.
func layout(t *testing.T) map[string]room {
	t.Helper()
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Rooms\n")
	if !found {
		t.Fatal("docs/architecture.md has no section Rooms")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	rooms := make(map[string]room)
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		r := room{pure: strings.HasSuffix(row[2], "Pure")}
		for _, name := range quoted.FindAllStringSubmatch(row[3], -1) {
			r.imports = append(r.imports, name[1])
		}
		rooms[row[1]] = r
	}
	if len(rooms) < 20 {
		t.Fatalf("the table in docs/architecture.md has %d rooms", len(rooms))
	}
	return rooms
}

// TestImportRule holds what each package imports to the table: it imports all that is named
// there, and nothing else of ours.
func TestImportRule(t *testing.T) {
	rooms := layout(t)
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	testing := regexp.MustCompile(`^internal/(test|friends|metricnames|siege|fleetsim)|^packaging/|^testdata/|^internal/genfeed`)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			GoFiles    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		r, known := rooms[name]
		if !known {
			if !testing.MatchString(name) {
				t.Errorf("package %s is not in the table", name)
			}
			continue
		}
		delete(rooms, name)
		var imports []string
		for _, i := range p.Imports {
			if ours, isOurs := strings.CutPrefix(i, module); isOurs {
				imports = append(imports, ours)
			}
			if r.pure && slices.Contains(impure, i) {
				t.Errorf("%s is pure and imports %s", name, i)
			}
		}
		slices.Sort(imports)
		slices.Sort(r.imports)
		if !slices.Equal(imports, r.imports) {
			t.Errorf("%s imports %q, and the table says %q", name, imports, r.imports)
		}
	}
	for name := range rooms {
		t.Errorf("the table has %s, which is no package", name)
	}
}

// inOwnAPI are types of errors that only their own package names, and why they are exported.
var inOwnAPI = map[string]string{
	"nft.ChangingError": "ErrChanging is one",
	"outbox.Error":      "a field of Result",
}

// TestErrorTypes: a type of error is exported only where another package asks for it, or makes
// one. Elsewhere its reason and its remedy are all that counts.
func TestErrorTypes(t *testing.T) {
	type source struct{ dir, text string }
	var sources []source
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		sources = append(sources, source{filepath.Dir(path), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	known := maps.Clone(inOwnAPI)
	for _, own := range sources {
		for _, m := range regexp.MustCompile(`(?m)^type ([A-Z]\w*Error|Error) struct`).FindAllStringSubmatch(own.text, -1) {
			name := filepath.Base(own.dir) + "." + m[1]
			imported := regexp.MustCompile(`(?m)^\s*(?:import )?(\w* ?)"` + module + strings.TrimPrefix(own.dir, "../../") + `"`)
			used := slices.ContainsFunc(sources, func(s source) bool {
				by := imported.FindStringSubmatch(s.text)
				if by == nil {
					return false
				}
				as := cmp.Or(strings.TrimSpace(by[1]), filepath.Base(own.dir))
				return regexp.MustCompile(`\b` + as + `\.` + m[1] + `\b`).MatchString(s.text)
			})
			if why := known[name]; used == (why != "") {
				t.Errorf("%s is exported, another package names it: %v, known reason: %q", name, used, why)
			}
			delete(known, name)
		}
	}
	for name := range known {
		t.Errorf("there is no %s", name)
	}
}
