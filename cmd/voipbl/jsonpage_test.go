package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/fleet/signer"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/migrate"
	"github.com/voipbl/voipbl/outbox"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setup"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/top"
	"github.com/voipbl/voipbl/worth"
)

// printed is what each command prints with --json, by the anchor of its heading in
// docs/json.md.
var printed = map[string]any{
	"status":                       blocklist.Status{},
	"check":                        blocklist.CheckReport{},
	"sync":                         blocklist.SyncReport{},
	"doctor":                       show.DoctorReport{},
	"exempt":                       exempt.Exemption{},
	"ban-unban":                    bans.Report{},
	"bans":                         bans.Ban{},
	"phones":                       known.Listing{},
	"post-phones":                  known.Answer{},
	"post-trunks":                  known.TrunkAnswer{},
	"post-ban":                     bans.SeenAnswer{},
	"allow-disallow":               blocklist.AllowReport{},
	"allowed":                      blocklist.Allowed{},
	"top":                          top.Report{},
	"feeds":                        worth.Report{},
	"feeds-presets":                preset{},
	"feeds-add":                    setup.AddedFeed{},
	"firewall-show":                rules.Shown{},
	"firewall-diff-firewall-apply": rules.Report{},
	"setup":                        setup.Report{},
	"pbx-connect-pbx-disconnect":   setup.Connected{},
	"fleet-init":                   enroll.Initialized{},
	"fleet-add":                    enroll.Added{},
	"fleet-join-fleet-leave":       enroll.Joined{},
	"fleet-revoke":                 enroll.Revoked{},
	"fleet-relay":                  enroll.Relayed{},
	"fleet-sign":                   signer.Signed{},
	"fleet-sign---new-key":         signer.NewKey{},
	"fleet-publish":                enroll.Published{},
	"fleet-document":               documentReport{},
	"fleet-status":                 fleetStatus{},
	"report":                       outbox.Report{},
	"report---list":                outbox.OutboxStatus{},
	"migrate":                      migrate.Migrated{},
	"version":                      versionReport{},
}

// TestJSONPage: docs/json.md has each field that a command prints with --json, with its
// type and whether it may be absent, and no other.
func TestJSONPage(t *testing.T) {
	page := jsonPage{T: t, fields: make(map[string]map[string]string), same: make(map[string]string), seen: make(map[string]reflect.Type)}
	anchor, fields := "", false
	row := regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]+) \\|")
	for line := range strings.Lines(readDocument(t, "../../docs/json.md").text) {
		line = strings.TrimSpace(line)
		switch m := row.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "#"):
			for a := range (document{text: line}).anchors() {
				anchor = a
			}
			page.fields[anchor] = make(map[string]string)
		case line == "" || line == "| field | type | meaning |":
			fields = line != ""
		case fields && m != nil:
			page.fields[anchor][m[1]] = m[2]
		case jsonLink.MatchString(line) && jsonLink.FindString(line) == line:
			page.same[anchor] = jsonLink.FindStringSubmatch(line)[1]
		}
	}
	for anchor, value := range printed {
		page.holds(anchor, reflect.TypeOf(value))
	}
	if len(page.seen) < 60 {
		t.Errorf("only %d objects", len(page.seen))
	}
	for anchor, fields := range page.fields {
		if page.seen[anchor] == nil && len(fields) > 0 {
			t.Errorf("nothing prints what stands below #%s", anchor)
		}
	}
}

// TestJSONPageHasCodes: docs/json.md says what each finding of doctor is about.
func TestJSONPageHasCodes(t *testing.T) {
	source := readDocument(t, "../../advise/finding.go").text
	_, source, _ = strings.Cut(source, "// The codes of findings.\n")
	source, _, _ = strings.Cut(source, "\n)\n")
	page := readDocument(t, "../../docs/json.md").text
	codes := regexp.MustCompile(`(?m)^\t\w+ += "([^"]+)"`).FindAllStringSubmatch(source, -1)
	if len(codes) < 40 {
		t.Fatalf("only %d codes", len(codes))
	}
	for _, m := range codes {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("docs/json.md does not have the code %s", m[1])
		}
	}
}

// jsonLink is a link to an object of the page.
var jsonLink = regexp.MustCompile(`\[[A-Za-z0-9]+\]\(#([a-z0-9]+)\)`)

// jsonPage is docs/json.md: by anchor the fields with their types, or the anchor of the
// object that a command prints; and the types that were compared with it.
type jsonPage struct {
	*testing.T

	fields map[string]map[string]string
	same   map[string]string
	seen   map[string]reflect.Type
}

// holds compares what stands below an anchor with a type, and what it links to.
func (p *jsonPage) holds(anchor string, typ reflect.Type) {
	if to, ok := p.same[anchor]; ok {
		anchor = to
	}
	if before := p.seen[anchor]; before != nil {
		if before != typ {
			p.Errorf("#%s is of %v and of %v", anchor, before, typ)
		}
		return
	}
	p.seen[anchor] = typ
	names := make(map[string]bool)
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" || hidden(typ, f) {
			continue
		}
		names[name] = true
		want, inside := described(f.Type)
		if options != "" {
			want += ", optional"
		}
		cell, ok := p.fields[anchor][name]
		if got := jsonLink.ReplaceAllString(cell, "object"); got != want {
			p.Errorf("docs/json.md #%s: %s is %q (in the page: %v), and should be %q", anchor, name, got, ok, want)
			continue
		}
		if inside != nil {
			p.holds(jsonLink.FindStringSubmatch(cell)[1], inside)
		}
	}
	for name := range p.fields[anchor] {
		if !names[name] {
			p.Errorf("docs/json.md #%s: there is no %s", anchor, name)
		}
	}
}

// hidden reports whether a field comes from an embedded type that is printed as an object of
// its own.
func hidden(typ reflect.Type, f reflect.StructField) bool {
	return len(f.Index) > 1 && typ.FieldByIndex(f.Index[:1]).Tag.Get("json") != ""
}

// described is what the page calls a type, and the struct in it.
func described(typ reflect.Type) (words string, inside reflect.Type) {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "time", nil
	case reflect.TypeFor[time.Duration]():
		return "integer, ns", nil
	case reflect.TypeFor[netip.Addr]():
		return "address", nil
	case reflect.TypeFor[netip.Prefix]():
		return "prefix", nil
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return described(typ.Elem())
	case reflect.Slice:
		words, inside = described(typ.Elem())
		return "list of " + words, inside
	case reflect.Array:
		words, inside = described(typ.Elem())
		return fmt.Sprintf("%d × %s", typ.Len(), words), inside
	case reflect.Map:
		words, inside = described(typ.Elem())
		return "object: name → " + words, inside
	case reflect.Struct:
		return "object", typ
	case reflect.String, reflect.Bool:
		return typ.Kind().String(), nil
	case reflect.Float64:
		return "number", nil
	}
	return "integer", nil
}
