package engines

import (
	"strings"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// pbxKind says how to recognise a telephony program.
type pbxKind struct {
	name      string
	program   string   // installed if it is in PATH
	files     []string // or if one of these exists
	processes []string // running if one of these does; its engine's, if it has none of its own
	packages  []string // of Debian, for the version
	version   []string // a command that prints the version, if no package has it
}

// pbxKinds are in the order in which they are reported, engines first.
var pbxKinds = []pbxKind{
	{name: "asterisk", program: "asterisk", files: []string{"/etc/asterisk/asterisk.conf"},
		processes: []string{"asterisk"}, packages: []string{"asterisk"}, version: []string{"-V"}},
	{name: "freepbx", program: "fwconsole", files: []string{"/etc/freepbx.conf", "/etc/amportal.conf"},
		processes: []string{"asterisk"}, packages: []string{"freepbx17", "freepbx"}},
	{name: "freeswitch", program: "freeswitch", files: []string{"/etc/freeswitch", "/usr/local/freeswitch/conf"},
		processes: []string{"freeswitch"}, packages: []string{"freeswitch"}},
	{name: "fusionpbx", files: []string{"/etc/fusionpbx", "/var/www/fusionpbx"},
		processes: []string{"freeswitch"}, packages: []string{"fusionpbx"}},
	{name: "kamailio", program: "kamailio", files: []string{"/etc/kamailio/kamailio.cfg"},
		processes: []string{"kamailio"}, packages: []string{"kamailio"}},
	{name: "opensips", program: "opensips", files: []string{"/etc/opensips/opensips.cfg"},
		processes: []string{"opensips"}, packages: []string{"opensips"}},
}

// freePBXXML is the file in which FreePBX's own framework has its version.
const freePBXXML = "/var/www/html/admin/modules/framework/module.xml"

// Look lists the telephony programs that are installed.
func Look(l *probe.Look) []PBX {
	all := []PBX{}
	var packages map[string]string
	for _, k := range pbxKinds {
		program := ""
		if k.program != "" {
			program = l.Program(k.program)
		}
		there := program != ""
		for _, name := range k.files {
			there = there || l.Exists(name)
		}
		if !there {
			continue
		}
		if packages == nil {
			packages = packageVersions(l)
		}
		pbx := PBX{Name: k.name, Version: versionOf(l, k, program, packages), Running: l.Running(k.processes...)}
		switch k.name {
		case "kamailio", "opensips":
			pbx.SIP = routerSIP(l, k.name)
		case "freeswitch":
			pbx.SIP, pbx.WebSockets = freeSWITCH(l)
		}
		all = append(all, pbx)
	}
	return all
}

// versionOf returns the version if it is cheap to find, or "".
func versionOf(l *probe.Look, k pbxKind, program string, packages map[string]string) string {
	for _, name := range k.packages {
		if v := packages[name]; v != "" {
			return v
		}
	}
	if k.name == "freepbx" {
		text, _ := l.Read(freePBXXML)
		if m := xmlVersion().FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	if k.version == nil || program == "" || !l.Real() {
		return ""
	}
	out, _, err := l.Run(append([]string{program}, k.version...)...)
	l.Unknown("the version of "+k.name, err, "")
	return strings.TrimPrefix(probe.FirstLines(out), "Asterisk ")
}

// xmlVersion finds the first version element, which is the module's own.
var xmlVersion = lazyregexp.New(`<version>\s*([0-9][0-9A-Za-z.+~-]*)\s*</version>`)

// packageVersions asks dpkg for the installed versions of these programs' packages.
func packageVersions(l *probe.Look) map[string]string {
	if !l.Real() {
		return map[string]string{}
	}
	query := []string{"dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package} ${Version}\n"}
	for _, k := range pbxKinds {
		query = append(query, k.packages...)
	}
	// If one package is unknown dpkg fails, but still lists the others.
	out, _, _ := l.Run(query...)
	return parsePackages(out)
}

// parsePackages reads lines of "installed NAME VERSION". It drops the epoch and the Debian revision
// of a version.
func parsePackages(text string) map[string]string {
	versions := map[string]string{}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "installed" {
			versions[words[1]] = upstreamVersion(words[2])
		}
	}
	return versions
}

// upstreamVersion strips the epoch, the revision and Debian's suffixes from a version:
// "1:22.10.1+dfsg+~cs6.17-1" is 22.10.1 of Asterisk.
func upstreamVersion(v string) string {
	if _, after, ok := strings.Cut(v, ":"); ok {
		v = after
	}
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		v = v[:i]
	}
	v, _, _ = strings.Cut(v, "+")
	v, _, _ = strings.Cut(v, "~dfsg")
	return v
}

// PBX is an installed telephony program.
type PBX struct {
	Name    string `json:"name"` // asterisk, freepbx, fusionpbx, freeswitch, kamailio, opensips
	Version string `json:"version,omitempty"`
	Running bool   `json:"running"`

	SIP        []host.Port      `json:"sip,omitempty"`        // where it is configured to listen for SIP; not for Asterisk
	WebSockets []host.WebSocket `json:"websockets,omitempty"` // likewise for SIP over WebSocket
}
