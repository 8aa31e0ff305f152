package asterisk

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/distinct"
)

// astLogFolder is the folder of Asterisk's logs, unless asterisk.conf sets another (ASTLOGDIR of
// its makefile).
const astLogFolder = "/var/log/asterisk"

// astLevels are all log levels, for which "*" stands: those of main/logger.c, and SECURITY and FAX,
// which modules add.
var astLevels = []string{"debug", "trace", "notice", "warning", "error", "verbose", "dtmf", "security", "fax"}

// astFacility is the facility of a "syslog" line that names none (main/logger.c).
const astFacility = "local0"

// logFiles returns the log files that logger.conf names. Consoles and syslog are not files. With
// "appendhostname" each name ends in the host's name.
func logFiles(logger, asterisk *astConfig, hostname string) []Log {
	folder := asterisk.section("directories").get("astlogdir")
	if folder == "" {
		folder = astLogFolder
	}
	logs := []Log{}
	for _, v := range logger.section("logfiles").vars {
		name := strings.ToLower(v.name)
		if name == "console" || strings.HasPrefix(name, "syslog") {
			continue
		}
		file := v.name
		if !filepath.IsAbs(file) {
			file = filepath.Join(folder, file)
		}
		if astTrue(logger.section("general").get("appendhostname")) && hostname != "" {
			file += "." + hostname
		}
		format, levels := logLevels(v.value)
		if i := slices.IndexFunc(logs, func(l Log) bool { return l.File == file && l.Format == format }); i >= 0 {
			logs[i].Levels = distinct.Of(append(logs[i].Levels, levels...))
			continue
		}
		logs = append(logs, Log{File: file, Levels: levels, Format: format})
	}
	return logs
}

// syslogs returns the syslog channels: "syslog.local0 => notice,security".
func syslogs(logger *astConfig) []SyslogChannel {
	var all []SyslogChannel
	for _, v := range logger.section("logfiles").vars {
		name := strings.ToLower(v.name)
		if !strings.HasPrefix(name, "syslog") {
			continue
		}
		_, facility, _ := strings.Cut(name, ".")
		if facility == "" {
			facility = astFacility
		}
		format, levels := logLevels(v.value)
		all = append(all, SyslogChannel{Facility: facility, Levels: levels, Format: format})
	}
	return all
}

// logLevels parses "[json]notice,warning,verbose(3)": a formatter may come first, and verbose may
// have a number.
func logLevels(s string) (format string, levels []string) {
	if _, rest, ok := strings.Cut(s, "["); ok {
		if name, after, ok := strings.Cut(rest, "]"); ok {
			s = after
			if name = strings.ToLower(name); name == "json" || name == "plain" {
				format = name
			}
		}
	}
	levels = []string{}
	for word := range strings.SplitSeq(s, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		if strings.HasPrefix(word, "verbose(") {
			word = "verbose"
		}
		switch word {
		case "":
		case "*":
			levels = append(levels, astLevels...)
		default:
			levels = append(levels, word)
		}
	}
	return format, distinct.Of(levels)
}

// Log is a log file of Asterisk with the levels it receives, in lower case.
type Log struct {
	File   string   `json:"file"`
	Levels []string `json:"levels"`
	Format string   `json:"format,omitempty"` // "json", "plain"; empty for the default
	Jails  []string `json:"jails,omitempty"`  // jails of fail2ban that read it
}

// SyslogChannel is what Asterisk sends to one facility of syslog.
type SyslogChannel struct {
	Facility string   `json:"facility"` // such as local0
	Levels   []string `json:"levels"`
	Format   string   `json:"format,omitempty"`
	Jails    []string `json:"jails,omitempty"` // jails of fail2ban that read it from the journal or from a syslog file
}
