package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/voipbl/voipbl/"

// mayImport is the layout of the program: which packages of ours each one may
// import. What is not named imports none.
var mayImport = map[string][]string{
	"cmd/voipbl": {"advise", "agent", "config", "host", "lockout", "packaging"},
	"advise":     {"agent", "config", "firewall", "host", "lockout"},
	"agent":      {"banlist", "config", "dns", "fetch", "host", "ipsetsync", "firewall", "lockout", "outbox", "cidr", "internal/filekind", "internal/netdump", "internal/web"},
	"banlist":    {"cidr"},
	"config":     {"cidr"},
	"dns":        nil,
	"fetch":      {"internal/web"},
	"ipsetsync":  {"cidr"},
	"firewall":   nil,
	"outbox":     {"internal/web"},
	"cidr":       nil,
	"host":       {"internal/netdump"},
	"lockout":    {"firewall", "host"},
	"packaging":  nil, // the files that are installed
}

// pure packages do nothing outside of themselves.
var pure = map[string][]string{
	"advise":  {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"banlist": {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"cidr":    {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"config":  {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},

	"lockout": {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
}

func TestImportRule(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := mayImport[name]
		if !known {
			if !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "packaging/") { // tests only
				t.Errorf("package %s is not in the layout", name)
			}
			continue
		}
		seen++
		for _, i := range p.Imports {
			ours, isOurs := strings.CutPrefix(i, module)
			if isOurs && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
			if slices.Contains(pure[name], i) {
				t.Errorf("%s is pure and imports %s", name, i)
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("%d packages of %d", seen, len(mayImport))
	}
}
