package config

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// FleetDocument is what the operator of a fleet tells all its hosts. Package fleet/document signs it.
type FleetDocument struct {
	// Serial is larger in each newer document; 0: it is not written.
	Serial uint64

	// Allow and Trunks are hosts that no host of the fleet blocks, beside those of its own configuration.
	Allow, Trunks []Host

	// Trust are sites and hosts whose word alone counts, beside those of each host's configuration.
	Trust []string

	// Hosts are the names of all hosts of the fleet; none: they are not told. Revoked are those
	// whose bans count no more.
	Hosts, Revoked []string

	// MinimumVersion of voipbl that the operator asks for, such as "0.9.0"; "" for any.
	MinimumVersion string
}

// FleetDocumentText is a FleetDocument of which nothing is checked.
type FleetDocumentText struct {
	Allow, Trunks, Trust, Hosts, Revoked []string
	MinimumVersion                       string
}

type rawDocument struct {
	Serial         *string   `yaml:"serial" example:"1"`
	Allow          []*string `yaml:"allow" example:"203.0.113.10"`
	Trunks         []*string `yaml:"trunks" example:"sip.example.net"`
	Trust          []*string `yaml:"trust" example:"acme"`
	Hosts          []*string `yaml:"hosts" example:"acme_pbx1"`
	Revoked        []*string `yaml:"revoked" example:"acme_pbx1"`
	MinimumVersion *string   `yaml:"minimum_version" example:"0.9.0"`
}

const (
	documentSerialExample = `expected 1..9007199254740991, or no such key for the time in seconds`
	versionExample        = `expected three numbers, such as "0.9.0"`
	hostNameExample       = `expected a host of the fleet, SITE_HOST, each up to 20 of a-z, 0-9 and "-", such as "acme_pbx1"`

	// MaxDocumentSerial is the largest whole number that all readers of JSON take.
	MaxDocumentSerial = 1<<53 - 1
)

// ParseFleetDocument reads a document as an operator writes it. It is checked as a configuration is,
// and errors are as those of [Parse].
func ParseFleetDocument(file string, text []byte) (FleetDocument, error) {
	r := newReader(file)
	root, ok := r.syntax(text)
	if !ok {
		return FleetDocument{}, r.err()
	}
	var raw rawDocument
	if root != nil {
		r.value("", root, reflect.ValueOf(&raw).Elem(), "allow: [203.0.113.10]")
	}
	d := r.document(raw)
	if err := r.err(); err != nil {
		return FleetDocument{}, err
	}
	return d, nil
}

// CheckFleetDocument is [ParseFleetDocument] for a document that did not come as YAML. The error is
// about the first thing that is wrong.
func CheckFleetDocument(t FleetDocumentText) (FleetDocument, error) {
	r := newReader("")
	same := func(s string) *string { return &s }
	raw := rawDocument{
		Allow: each(t.Allow, same), Trunks: each(t.Trunks, same), Trust: each(t.Trust, same),
		Hosts: each(t.Hosts, same), Revoked: each(t.Revoked, same),
	}
	if t.MinimumVersion != "" {
		raw.MinimumVersion = &t.MinimumVersion
	}
	d := r.document(raw)
	if len(r.errs) > 0 {
		first := r.errs[0]
		return FleetDocument{}, errors.New(first.Key + ": " + first.Problem + ": " + first.Expected)
	}
	return d, nil
}

func (r *reader) document(raw rawDocument) (d FleetDocument) {
	read(r, "serial", raw.Serial, &d.Serial, parseDocumentSerial)
	readList(r, "allow", raw.Allow, &d.Allow, parseHost)
	readList(r, "trunks", raw.Trunks, &d.Trunks, parseHost)
	readList(r, "trust", raw.Trust, &d.Trust, parseTrust)
	readList(r, "hosts", raw.Hosts, &d.Hosts, parseFleetHost)
	readList(r, "revoked", raw.Revoked, &d.Revoked, parseFleetHost)
	read(r, "minimum_version", raw.MinimumVersion, &d.MinimumVersion, parseVersion)
	return d
}

func parseDocumentSerial(s string) (uint64, *fault) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > MaxDocumentSerial {
		return 0, faultf(documentSerialExample, "bad serial (%s)", quote(s))
	}
	return n, nil
}

// parseFleetHost checks the name of a host of a fleet.
func parseFleetHost(s string) (string, *fault) {
	if _, f := parseTrust(s); f != nil || !strings.Contains(s, "_") {
		return "", faultf(hostNameExample, "bad name (%s)", quote(s))
	}
	return s, nil
}

// threeNumbers are those of a released version.
var threeNumbers = lazyregexp.New(`^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}$`)

func parseVersion(s string) (string, *fault) {
	if !threeNumbers().MatchString(s) {
		return "", faultf(versionExample, "bad version (%s)", quote(s))
	}
	return s, nil
}
