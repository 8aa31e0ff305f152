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
	"advise":     {"agent", "config", "firewall", "host", "lockout", "nft"},
	"agent":      {"allowlist", "banlist", "config", "dns", "fetch", "host", "ipsetsync", "firewall", "lockout", "nft", "outbox", "cidr", "internal/banrule", "internal/deadline", "internal/filekind", "internal/memory", "internal/netdump", "internal/portrange", "internal/procself", "internal/web"},
	"allowlist":  {"config", "internal/deadline"},
	"banlist":    {"cidr", "internal/deadline"},
	"config":     {"cidr", "internal/portrange", "internal/shownurl"},
	"dns":        nil,
	"fetch":      {"internal/shownurl", "internal/web"},
	"ipsetsync":  {"cidr"},
	"firewall":   {"nft", "internal/banrule", "internal/portrange", "internal/procself"},
	"outbox":     {"internal/web"},
	"cidr":       nil,
	"host":       {"internal/banrule", "internal/netdump", "internal/procself"},
	"lockout":    {"firewall", "host"},
	"nft":        {"internal/portrange"},
	"packaging":  nil, // the files that are installed
}

// pure packages do nothing outside of themselves.
var pure = map[string][]string{
	"allowlist": {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"advise":    {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"banlist":   {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"cidr":      {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},
	"config":    {"os", "net", "net/http", "log", "log/slog", "os/exec", "syscall"},

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
