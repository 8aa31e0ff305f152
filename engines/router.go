package engines

import (
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/distinct"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// routerConfigs are the main files of Kamailio and OpenSIPS.
var routerConfigs = map[string]string{"kamailio": "/etc/kamailio/kamailio.cfg", "opensips": "/etc/opensips/opensips.cfg"}

// Limits for what a configuration may include.
const (
	maxRouterDepth = 10
	maxRouterFiles = 1000
)

// routerSIP returns where Kamailio or OpenSIPS is configured to listen: its "listen=" and "socket="
// lines, except those that "#!ifdef" disables.
func routerSIP(l *probe.Look, name string) []host.Port {
	r := router{open: func(name string) []string { return routerFiles(l, name) }, defined: map[string]string{}}
	r.file(routerConfigs[name], 0)
	return r.ports()
}

// routerFiles reads a file, or all that match a pattern. A missing file is ignored: while the
// program runs, its listeners show the same.
func routerFiles(l *probe.Look, name string) []string {
	paths, _ := filepath.Glob(l.Path(name))
	var texts []string
	for _, path := range paths[:min(len(paths), maxRouterFiles)] {
		text, err := probe.ReadFile(path)
		l.Unknown("the ports in "+path, err, "name them by hand")
		texts = append(texts, text)
	}
	return texts
}

// router reads a configuration of Kamailio or OpenSIPS.
type router struct {
	open    func(name string) []string
	defined map[string]string
	off     []bool // disabled by "#!ifdef", the innermost last
	listens []host.Port
	port    uint16
	noTCP   bool
	tls     bool
	named   bool // there is a "listen", even if only for a loopback address
}

var (
	routerInclude = lazyregexp.New(`^(?:#!|!!)?(?:include_file|import_file)\s+"([^"]+)"`)
	routerSetting = lazyregexp.New(`^([a-z_]+)\s*=\s*(.+?)\s*;?$`)
	routerListen  = lazyregexp.New(`^"?(?:(udp|tcp|tls|ws|wss|hep_udp|hep_tcp|sctp|bin|[a-z_]+):)?(\[[0-9a-fA-F:.]+\]|[^:\s"]+)(?::(\d+))?`)
)

func (r *router) file(name string, depth int) {
	if depth > maxRouterDepth {
		return
	}
	for _, text := range r.open(name) {
		for line := range strings.Lines(text) {
			r.line(strings.TrimSpace(line), filepath.Dir(name), depth)
		}
	}
}

func (r *router) line(line, dir string, depth int) {
	if directive, is := strings.CutPrefix(line, "#!"); is {
		r.directive(strings.Fields(directive))
		if !strings.HasPrefix(directive, "i") || !routerInclude().MatchString(line) {
			return
		}
	} else if line == "" || line[0] == '#' {
		return
	}
	if slices.Contains(r.off, true) {
		return
	}
	if m := routerInclude().FindStringSubmatch(line); m != nil {
		name := m[1]
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		r.file(name, depth+1)
		return
	}
	line, _, _ = strings.Cut(line, " #")
	if m := routerSetting().FindStringSubmatch(line); m != nil {
		r.setting(m[1], m[2])
	}
}

// directive handles a line "#!…" of Kamailio.
func (r *router) directive(words []string) {
	if len(words) == 0 {
		return
	}
	defined := func() bool {
		_, yes := r.defined[strings.Join(words[1:min(2, len(words))], "")]
		return yes
	}
	switch words[0] {
	case "ifdef":
		r.off = append(r.off, !defined())
	case "ifndef":
		r.off = append(r.off, defined())
	case "ifexp":
		r.off = append(r.off, true) // unknown here; the listeners show it
	case "else":
		if n := len(r.off); n > 0 {
			r.off[n-1] = !r.off[n-1]
		}
	case "endif":
		r.off = r.off[:max(len(r.off)-1, 0)]
	case "define", "trydef", "redefine":
		if len(words) > 1 && !slices.Contains(r.off, true) {
			r.defined[words[1]] = strings.Trim(strings.Join(words[2:], " "), `"`)
		}
	case "substdef":
		if len(words) > 1 && !slices.Contains(r.off, true) {
			quoted := strings.Trim(strings.Join(words[1:], " "), `"`)
			if parts := strings.Split(quoted[min(1, len(quoted)):], "!"); len(parts) >= 2 {
				r.defined[parts[0]] = parts[1]
			}
		}
	}
}

func (r *router) setting(name, value string) {
	switch name {
	case "port":
		n, _ := strconv.ParseUint(value, 10, 16)
		r.port = uint16(n)
	case "disable_tcp":
		r.noTCP = value == "yes" || value == "1"
	case "enable_tls", "tls_enable":
		r.tls = value == "yes" || value == "1"
	case "listen", "socket":
		for _, from := range slices.Sorted(maps.Keys(r.defined)) {
			if to := r.defined[from]; to != "" {
				value = regexp.MustCompile(`\b`+regexp.QuoteMeta(from)+`\b`).ReplaceAllLiteralString(value, to)
			}
		}
		r.listen(value)
	}
}

// listen parses "udp:192.0.2.1:5060", "eth0", "tls:[2001:db8::1]:5061 advertise …".
func (r *router) listen(value string) {
	m := routerListen().FindStringSubmatch(value)
	if m == nil {
		return
	}
	r.named = true
	proto, port := m[1], uint64(0)
	port, _ = strconv.ParseUint(m[3], 10, 16)
	if a, err := netip.ParseAddr(strings.Trim(m[2], "[]")); err == nil && a.IsLoopback() {
		return
	}
	add := func(proto string, otherwise uint16) {
		p := uint16(port)
		if p == 0 {
			p = otherwise
		}
		r.listens = append(r.listens, host.Port{Proto: proto, Port: p})
	}
	switch proto {
	case "udp":
		add("udp", 0)
	case "tcp", "ws":
		add("tcp", 0)
	case "tls", "wss":
		add("tcp", host.SIPSPort)
	case "":
		add("udp", 0)
		if !r.noTCP {
			add("tcp", 0)
		}
	}
}

// ports returns the ports of the whole configuration, or none if it has no "listen": then the
// defaults apply.
func (r *router) ports() []host.Port {
	if !r.named {
		return nil // the listeners show which
	}
	port := r.port
	if port == 0 {
		port = host.SIPPort
	}
	var ports []host.Port
	for _, p := range r.listens {
		if p.Port == 0 {
			p.Port = port
		}
		if !r.noTCP || p.Proto != "tcp" {
			ports = append(ports, p)
		}
	}
	return distinct.Of(ports)
}
