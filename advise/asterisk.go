package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/host"
)

const (
	loggerFile = "/etc/asterisk/logger.conf"
	aLine      = "security.log => security"
	reload     = "then: asterisk -rx \"logger reload\""
)

// writeSecurity says where to put the line that makes Asterisk write its security log.
func writeSecurity(a *asterisk.Facts) string {
	if a.LogsFile != "" {
		return fmt.Sprintf("put %q into %s, %s", aLine, a.LogsFile, reload)
	}
	return fmt.Sprintf("put %q below [logfiles] in %s, %s", aLine, loggerFile, reload)
}

const (
	securityWhy = "nobody sees attackers that only the security log names, such as wrong passwords in a challenge"
	giveJail    = "add it to logpath of a jail for Asterisk, such as voipbl-asterisk, then: systemctl restart fail2ban"
)

// securityLog checks that Asterisk writes its security log as text, to where a jail reads it. If
// fail2ban does not answer, it is not known what its jails read. If voipbl sees attackers itself, no log
// is needed.
func (d *doctor) securityLog() {
	a := d.Facts.Asterisk
	if a == nil || d.watches() || d.unknown("logger.conf") {
		return
	}
	f := d.Facts.Fail2ban
	jailsKnown := f != nil && f.Running && !d.unknown("fail2ban")
	security := func(levels []string) bool {
		return slices.Contains(levels, "security") || slices.Contains(levels, "*")
	}
	const json = "json"
	var files, syslog, asJSON []string
	for _, l := range a.Logs {
		switch {
		case !security(l.Levels):
		case l.Format == json:
			asJSON = append(asJSON, l.File)
		case !jailsKnown || len(l.Jails) > 0:
			return
		default:
			files = append(files, l.File)
		}
	}
	for _, s := range a.Syslog {
		switch {
		case !security(s.Levels):
		case s.Format == json:
			asJSON = append(asJSON, "syslog")
		case !jailsKnown || len(s.Jails) > 0:
			return
		default:
			syslog = append(syslog, s.Facility)
		}
	}
	switch {
	case len(files) > 0:
		d.note(SecurityLog, Problem, giveJail+d.orConnect(), securityWhy, "no jail of fail2ban reads Asterisk's security log (%s)", list(files, 2))
	case len(syslog) > 0:
		d.note(SecurityLog, Problem, writeSecurity(a)+"; or let a jail read the journal"+d.orConnect(), securityWhy,
			"Asterisk writes its security log to syslog (%s) only, and no jail of fail2ban reads it there", list(syslog, 2))
	case len(asJSON) > 0:
		d.note(SecurityLog, Problem, writeSecurity(a)+d.orConnect(), securityWhy, "Asterisk writes its security log as JSON only (%s), which no filter of fail2ban matches", list(asJSON, 2))
	default:
		d.note(SecurityLog, Problem, writeSecurity(a)+d.orConnect(), securityWhy, "Asterisk does not write its security log")
	}
}

// sickLogs finds logs from which jails ban nobody.
func (d *doctor) sickLogs() {
	if d.Facts.Fail2ban == nil {
		return
	}
	told := map[string]bool{}
	for _, j := range d.Facts.Fail2ban.Jails {
		for _, s := range j.Sick {
			switch {
			case s.Offset != 0 && !told[s.File]:
				told[s.File] = true
				d.clock(s)
			case s.Offset == 0 && !d.allExempt(s.From): // voipbl's jails do not count exempt addresses
				d.note(JailBlind, Problem, fmt.Sprintf("fail2ban-regex %s FILTER tells what the filter of %s misses; see docs/fail2ban.md for one that matches", s.File, j.Name),
					"attackers that Asterisk names there are not banned", "%s has %d wrong passwords of the last minutes, and fail2ban's jail %s has counted none", s.File, s.Attacks, j.Name)
			}
		}
	}
}

// allExempt reports whether there are addresses and all of them are exempt.
func (d *doctor) allExempt(addrs []netip.Addr) bool {
	return len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool { _, ok := d.Exempt[a]; return !ok })
}

// clock finds a log in another time zone. fail2ban ignores lines older than findtime, and treats
// lines from the future as new.
func (d *doctor) clock(s fail2ban.SickLog) {
	severity, why := Problem, "fail2ban takes its lines for old, and bans nobody"
	way := "behind"
	if s.Offset > 0 {
		severity, why, way = Warning, "fail2ban takes its lines for new whenever they were written", "ahead of"
	}
	_, here := time.Now().Zone()
	zone := time.Duration(here)*time.Second + s.Offset
	d.note(LogClock, severity, fmt.Sprintf("give both the same time zone (a container: TZ), or set \"logtimezone = %s\" in the jail", zoneName(zone)), why,
		"the time stamps in %s are %s %s this host's clock", s.File, strings.TrimSuffix(s.Offset.Abs().String(), "0s"), way)
}

// zoneName is an offset from UTC as fail2ban takes it: "UTC+0530".
func zoneName(offset time.Duration) string {
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("UTC%c%02d%02d", sign, int(offset.Hours()), int(offset.Minutes())%60)
}

// skippedLines finds lines of its configuration that Asterisk skips.
func (d *doctor) skippedLines() {
	if a := d.Facts.Asterisk; a != nil && len(a.Skipped) > 0 {
		d.note(AsteriskConfig, Note, "mend them, or take them out", "it warns of them and goes on, so what they were to do does not happen",
			"Asterisk skips %s of its configuration: %s", plural(len(a.Skipped), "line", "lines"), list(a.Skipped, 2))
	}
}

// iax2 checks that Asterisk logs attacks by IAX2.
func (d *doctor) iax2() {
	x := iax2(d.Facts)
	d.iaxTrunks(x)
	if x == nil || x.AuthDebug || len(x.Ports) == 0 {
		return
	}
	if !x.Accounts {
		d.note(IAX2Unlogged, Note, "if nobody uses it: put \"noload = chan_iax2.so\" below [modules] in /etc/asterisk/modules.conf, and restart Asterisk",
			"nobody can log in there, so it only serves attackers", "Asterisk listens for IAX2 on udp %d, without accounts", x.Ports[0].Port)
		return
	}
	where := "below [general] in /etc/asterisk/iax.conf"
	if x.Custom != "" {
		where = "into " + x.Custom
	}
	severity, remedy, why := Warning, "put \"authdebug = yes\" "+where+", then: asterisk -rx \"iax2 reload\"", "fail2ban does not learn who guesses passwords there"
	if d.noFail2ban() { // nobody reads what would be logged
		severity, remedy, why = Note, remedy+"; and install fail2ban, which reads that", "nobody bans who guesses passwords there"
	}
	d.note(IAX2Unlogged, severity, remedy, why,
		"Asterisk logs nothing of attacks by IAX2 (udp %d): authdebug is off", x.Ports[0].Port)
}

// iaxTrunks finds IAX2 trunks that are kept out because the service is for local networks only.
func (d *doctor) iaxTrunks(x *asterisk.IAX2) {
	if x == nil || !d.base() {
		return
	}
	fw := d.Config.Firewall
	for _, p := range x.Ports {
		at := slices.IndexFunc(fw.Services, func(s config.Service) bool { return serves(s, p) })
		if at < 0 || slices.ContainsFunc(fw.Services, func(s config.Service) bool { return serves(s, p) && s.From == config.FromAny }) {
			continue
		}
		outside := slices.DeleteFunc(slices.Clone(x.Trunks), func(t string) bool {
			prefix, ok := prefixOf(t)
			return ok && slices.ContainsFunc(fw.LocalNetworks, func(n netip.Prefix) bool { return contains(n, prefix) })
		})
		if len(outside) > 0 {
			d.note(TrunkClosed, Warning, fmt.Sprintf("set \"from: any\" of the service %s (udp) in firewall.services", fw.Services[at].Name),
				"calls from there arrive only while this host has spoken to them first", "the base rules let nobody in by IAX2 from %s", list(outside, 3))
		}
	}
}

// closedPorts finds ports of the PBX, other than SIP, that the base rules close.
func (d *doctor) closedPorts() {
	fw := d.Config.Firewall
	withTLS := slices.ContainsFunc(webSockets(d.Facts, false), func(w host.WebSocket) bool { return w.TLS })
	for _, w := range wishes(d.Facts, fw, false) {
		if covers(fw, w.Port) || w.name == "iax2" && !iax2(d.Facts).Accounts || w.name == "websocket-plain" && withTLS {
			continue
		}
		d.note(PortClosed, Warning, "add "+serviceText(w.item(fw.Services))+" to firewall.services (\"voipbl setup\" does)",
			"its users are cut off by the base rules", "%s, which the base rules do not open", w.why)
	}
}
