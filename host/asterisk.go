package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// astFolder is where Asterisk's configuration is (ASTETCDIR).
const astFolder = "/etc/asterisk"

// asterisk reads what Asterisk's configuration says, or nothing if it has none.
func (l *looker) asterisk() *Asterisk {
	if !l.exists(astFolder) {
		return nil
	}
	main := l.astConfig("asterisk.conf")
	l.execIncludes = astTrue(main.section("options").get("execincludes"))
	pjsip, sip := l.astConfig("pjsip.conf"), &astConfig{}
	modules := l.astConfig("modules.conf")
	oldSIP := l.hasModule(modules, "chan_sip")
	if oldSIP {
		sip = l.astConfig("sip.conf")
	}
	logger := l.astConfig("logger.conf")
	a := &Asterisk{
		SIP:      []Port{},
		RTP:      rtpPorts(l.astConfig("rtp.conf")),
		Logs:     logFiles(logger, main, l.hostname()),
		Syslog:   syslogs(logger),
		LogsFile: logger.custom("logfiles"),
		Trunks:   trunksOf(pjsip, l.astConfig("pjsip_wizard.conf"), sip),
		Contacts: l.contacts(oldSIP),
	}
	if l.hasModule(modules, "chan_pjsip") {
		ports, errs := pjsipPorts(pjsip)
		a.SIP = append(a.SIP, ports...)
		l.unknown("some ports of Asterisk", errs, "mend them in "+astFolder+"/pjsip.conf, or name the ports yourself")
	}
	if oldSIP && l.exists(astFolder+"/sip.conf") { // without it the module does not load
		ports, errs := sipPorts(sip)
		a.SIP = append(a.SIP, ports...)
		l.unknown("some ports of Asterisk", errs, "mend them in "+astFolder+"/sip.conf, or name the ports yourself")
	}
	a.SIP = unique(a.SIP)
	a.IAX2 = l.iax2(modules)
	a.WebSockets = l.webSockets(pjsip)
	l.lookForDatabase()
	a.Skipped = unique(l.skipped)
	return a
}

// astConfig reads a file of Asterisk's, and those that it includes. One that is
// not there is an empty one: Asterisk has its defaults then.
func (l *looker) astConfig(name string) *astConfig {
	path := filepath.Join(astFolder, name)
	text, err := l.read(path)
	if absent(err) {
		return &astConfig{}
	}
	if err != nil {
		l.unknown(path, err, "look at it: Asterisk cannot read it either")
		return &astConfig{}
	}
	c := parseAsterisk(source{path, text}, l.included, l.execIncludes)
	l.note(path, c.problems)
	return c
}

// included finds the files of an include, as Asterisk does: below its folder unless
// the name begins with "/".
func (l *looker) included(pattern string) ([]source, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(astFolder, pattern)
	}
	paths, err := filepath.Glob(l.path(pattern))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: %w", pattern, fs.ErrNotExist)
	}
	var sources []source
	var errs []error
	for _, path := range paths[:min(len(paths), maxAstFiles)] {
		text, err := readFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		name := path
		if !l.real() {
			name = strings.TrimPrefix(path, filepath.Clean(l.root))
		}
		sources = append(sources, source{name, text})
	}
	return sources, errors.Join(errs...)
}

// hasModule reports whether Asterisk loads a module: it is built, and modules.conf
// does not leave it out. chan_sip went with Asterisk 21, and its configuration often
// stays behind.
func (l *looker) hasModule(modules *astConfig, name string) bool {
	for _, lib := range []string{"usr/lib*/asterisk/modules", "usr/lib/*/asterisk/modules", "usr/local/lib*/asterisk/modules"} {
		if built, _ := filepath.Glob(filepath.Join(l.root, lib, "*.so")); len(built) > 0 {
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

// astTrue is what Asterisk takes for yes (ast_true).
func astTrue(s string) bool {
	return slices.Contains([]string{"yes", "true", "y", "t", "1", "on"}, strings.ToLower(s))
}

// lookForDatabase tells that Asterisk has objects in a database: we read files.
func (l *looker) lookForDatabase() {
	for _, name := range []string{"sorcery.conf", "extconfig.conf"} {
		for _, s := range l.astConfig(name).sections {
			for _, v := range s.vars {
				if !s.template && inDatabase(v) {
					l.unknown("trunks in Asterisk's database", fmt.Errorf("%s/%s: %s = %s", astFolder, name, v.name, v.value),
						"name your providers yourself: asterisk -rx 'pjsip show identifies'")
					return
				}
			}
		}
	}
}

// inDatabase reports whether a line puts endpoints, registrations or peers into
// a database (sorcery.conf and extconfig.conf of Asterisk's samples).
func inDatabase(v astVar) bool {
	name, _, _ := strings.Cut(v.name, "/")
	switch strings.ToLower(name) {
	case "endpoint", "identify", "registration":
		return strings.HasPrefix(v.value, "realtime")
	case "ps_endpoints", "ps_endpoint_id_ips", "ps_registrations", "sippeers", "sipregs":
		return true
	}
	return false
}

// The range that Asterisk takes RTP ports from if rtp.conf says nothing, and the
// bounds for what it says (res/res_rtp_asterisk.c: DEFAULT_RTP_START,
// DEFAULT_RTP_END, MINIMUM_RTP_PORT, MAXIMUM_RTP_PORT). The sample file, which
// packages install, has 10000 to 20000.
const (
	rtpStart, rtpEnd     = 5000, 31000
	rtpLowest, rtpUtmost = 1024, 65535
)

// rtpPorts reads rtp.conf.
func rtpPorts(c *astConfig) [2]uint16 {
	general := c.section("general")
	port := func(name string, otherwise int) int {
		s := general.get(name)
		if s == "" {
			return otherwise
		}
		return min(max(atoi(s), rtpLowest), rtpUtmost)
	}
	first, last := port("rtpstart", rtpStart), port("rtpend", rtpEnd)
	first += first & 1
	if first >= last {
		first, last = rtpStart, rtpEnd
	}
	return [2]uint16{uint16(first), uint16(last)}
}

// atoi is C's: the digits in front, 0 if there are none.
func atoi(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end]) // an error is about its size, and n the largest then
	return n
}

// unique takes out what was there before.
func unique[T comparable](all []T) []T {
	seen := make(map[T]bool, len(all))
	kept := make([]T, 0, len(all))
	for _, x := range all {
		if !seen[x] {
			seen[x] = true
			kept = append(kept, x)
		}
	}
	return kept
}
