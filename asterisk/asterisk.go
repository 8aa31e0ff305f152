package asterisk

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/distinct"
	"github.com/voipbl/voipbl/internal/probe"
)

// Folder is that of Asterisk's configuration (ASTETCDIR).
const Folder = "/etc/asterisk"

// Look reads Asterisk's configuration. It returns nil if there is none.
func Look(l *probe.Look) *Facts {
	if !l.Exists(Folder) {
		return nil
	}
	r := &astReader{Look: l}
	main := r.astConfig("asterisk.conf")
	r.execIncludes = astTrue(main.section("options").get("execincludes"))
	pjsip, sip := r.astConfig("pjsip.conf"), &astConfig{}
	modules := r.astConfig("modules.conf")
	oldSIP := r.hasModule(modules, "chan_sip")
	if oldSIP {
		sip = r.astConfig("sip.conf")
	}
	logger := r.astConfig("logger.conf")
	a := &Facts{
		SIP:      []host.Port{},
		RTP:      rtpPorts(r.astConfig("rtp.conf")),
		Logs:     logFiles(logger, main, l.Hostname()),
		Syslog:   syslogs(logger),
		LogsFile: logger.custom("logfiles"),
		Trunks:   trunksOf(pjsip, r.astConfig("pjsip_wizard.conf"), sip),
		Contacts: contacts(l, oldSIP),

		Registrars: trunkNames(registrarsOf(pjsip)),
	}
	if r.hasModule(modules, "chan_pjsip") {
		ports, errs := pjsipPorts(pjsip)
		a.SIP = append(a.SIP, ports...)
		l.Unknown("some ports of Asterisk", errs, "mend them in "+Folder+"/pjsip.conf, or name the ports yourself")
	}
	oldSIP = oldSIP && l.Exists(Folder+"/sip.conf") // without this file the module does not load
	if oldSIP {
		ports, errs := sipPorts(sip)
		a.SIP = append(a.SIP, ports...)
		l.Unknown("some ports of Asterisk", errs, "mend them in "+Folder+"/sip.conf, or name the ports yourself")
	}
	a.SIP = distinct.Of(a.SIP)
	a.IAX2 = r.iax2(modules)
	a.Manager = managerOf(r.astConfig("manager.conf"), oldSIP)
	a.HEP = hepOf(r.astConfig("hep.conf"), r.hasModule(modules, "res_hep_pjsip") && r.hasModule(modules, "res_hep"))
	a.WebSockets = r.webSockets(pjsip)
	r.lookForDatabase()
	a.Skipped = distinct.Of(r.skipped)
	return a
}

// astTrue reports whether Asterisk reads s as yes (ast_true).
func astTrue(s string) bool {
	return slices.Contains([]string{"yes", "true", "y", "t", "1", "on"}, strings.ToLower(s))
}

// lookForDatabase notes that Asterisk keeps objects in a database, which this package does not
// read.
func (r *astReader) lookForDatabase() {
	for _, name := range []string{"sorcery.conf", "extconfig.conf"} {
		for _, s := range r.astConfig(name).sections {
			for _, v := range s.vars {
				if !s.template && inDatabase(v) {
					r.Unknown("trunks in Asterisk's database", fmt.Errorf("%s/%s: %s = %s", Folder, name, v.name, v.value),
						"name your providers yourself: asterisk -rx 'pjsip show identifies'")
					return
				}
			}
		}
	}
}

// inDatabase reports whether a line puts endpoints, registrations or peers into a database
// (Asterisk's samples of sorcery.conf and extconfig.conf).
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

// These are the range of RTP ports without a setting in rtp.conf, and the limits for a setting
// (res/res_rtp_asterisk.c: DEFAULT_RTP_START, DEFAULT_RTP_END, MINIMUM_RTP_PORT, MAXIMUM_RTP_PORT).
// The sample file, which packages install, sets 10000 to 20000.
const (
	rtpStart, rtpEnd     = 5000, 31000
	rtpLowest, rtpUtmost = 1024, 65535
)

// rtpPorts returns the range of RTP ports.
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

// atoi works as in C: it reads the leading digits, and returns 0 if there are none.
func atoi(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end]) // an error means too large; n is the maximum then
	return n
}

// Facts are what Asterisk's configuration below /etc/asterisk says, and the addresses from which
// phones are registered.
type Facts struct {
	SIP      []host.Port  `json:"sip"`      // where it listens for SIP, without duplicates
	RTP      [2]uint16    `json:"rtp"`      // first and last port, as in rtp.conf
	Logs     []Log        `json:"logs"`     // the files that logger.conf names
	Trunks   []string     `json:"trunks"`   // providers: hosts, addresses and networks
	Contacts []netip.Addr `json:"contacts"` // addresses from which phones are registered now

	IAX2       *IAX2            `json:"iax2,omitempty"`       // nil if it does not speak IAX2
	WebSockets []host.WebSocket `json:"websockets,omitempty"` // ports of its web server, if SIP comes in by them

	Syslog   []SyslogChannel `json:"syslog,omitempty"`    // what logger.conf sends to syslog
	LogsFile string          `json:"logs_file,omitempty"` // the file for lines of [logfiles], if not logger.conf
	Skipped  []string        `json:"skipped,omitempty"`   // lines that Asterisk warns about and ignores

	Registrars []string `json:"-"` // of Trunks: those at which it is to register by chan_pjsip

	Manager Manager `json:"-"`
	HEP     HEP     `json:"-"`
}
