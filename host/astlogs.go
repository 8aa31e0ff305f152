package host

import (
	"path/filepath"
	"slices"
	"strings"
)

// astLogFolder is where Asterisk's logs are if asterisk.conf does not say otherwise
// (ASTLOGDIR of its makefile).
const astLogFolder = "/var/log/asterisk"

// astLevels are all levels of a log (main/logger.c, and SECURITY and FAX, which
// modules add): "*" stands for them.
var astLevels = []string{"debug", "trace", "notice", "warning", "error", "verbose", "dtmf", "security", "fax"}

// logFiles are the files that logger.conf names. What goes to a console or to
// syslog is in no file of Asterisk's.
func logFiles(logger, asterisk *astConfig) []Log {
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
		if i := slices.IndexFunc(logs, func(l Log) bool { return l.File == file }); i >= 0 {
			logs[i].Levels = unique(append(logs[i].Levels, logLevels(v.value)...))
			continue
		}
		logs = append(logs, Log{file, logLevels(v.value)})
	}
	return logs
}

// logLevels reads "[json]notice,warning,verbose(3)": a formatter may stand in
// front, and verbose may have a number.
func logLevels(s string) []string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if _, after, ok := strings.Cut(rest, "]"); ok {
			s = after
		}
	}
	levels := []string{}
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
	return unique(levels)
}
