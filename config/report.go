package config

import "strings"

const (
	// maxPerHour is ten requests a minute: more do not help VoIPBL. It also limits the record
	// of a day's requests.
	maxPerHour = 600

	// maxSerial is the longest serial; VoIPBL documents no format.
	maxSerial = 200

	reportURLExample = `expected a URL such as "https://voipbl.org"`
	serialExample    = "expected up to 200 printable ASCII characters without spaces, as VoIPBL gave it, or \"\" for none"
)

// report checks the keys below "report".
func (r *reader) report(raw rawReport, dst *Report) {
	keep(raw.Enabled, &dst.Enabled)
	keep(raw.Insecure, &dst.Insecure)
	read(r, "report.url", raw.URL, &dst.URL, func(s string) (string, *fault) { return parseReportURL(s, dst.Insecure) })
	read(r, "report.serial", raw.Serial, &dst.Serial, parseSerial)
	r.number("report.per_hour", raw.PerHour, &dst.PerHour, 1, maxPerHour)
}

// parseReportURL checks a URL that more is appended to.
func parseReportURL(s string, insecure bool) (string, *fault) {
	s, f := checkURL(s, insecure, reportURLExample, "can read and change what is reported")
	if f == nil && strings.Contains(s, "?") {
		return "", faultf(reportURLExample, "URL with a query (%s)", quote(s))
	}
	return strings.TrimRight(s, "/"), f
}

// parseSerial checks the serial. Errors do not quote it, because it is a secret.
func parseSerial(s string) (string, *fault) {
	if len(s) > maxSerial || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", faultf(serialExample, "bad serial")
	}
	return s, nil
}
