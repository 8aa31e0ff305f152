package config

import (
	"strings"
	"testing"
)

func TestReportErrors(t *testing.T) {
	const long = 201
	checkErrors(t, []errorCase{
		{"http", "report: {url: 'http://voipbl.org'}\n",
			`x:1:15: report.url: URL with plain http ("http://voipbl.org"): expected https, or "insecure: true" to accept that anyone on the way can read and change what is reported`},
		{"query", "report: {url: 'https://voipbl.org/?a=b'}\n",
			`x:1:15: report.url: URL with a query ("https://voipbl.org/?a=xxxxx"): expected a URL such as "https://voipbl.org"`},
		{"password", "report: {url: 'https://a:b@voipbl.org'}\n",
			`x:1:15: report.url: URL with a user name or password: expected a URL such as "https://voipbl.org"`},
		{"none an hour", "report: {per_hour: 0}\n",
			"x:1:20: report.per_hour: number out of range (0): expected 1..600, such as 60"},
		{"too many an hour", "report: {per_hour: 601}\n",
			"x:1:20: report.per_hour: number out of range (601): expected 1..600, such as 60"},
		// Errors do not quote what may be a secret.
		{"serial with a space", "report: {serial: 's3 cret'}\n",
			`x:1:18: report.serial: bad serial: expected up to 200 printable ASCII characters without spaces, as VoIPBL gave it, or "" for none`},
		{"long serial", "report: {serial: " + strings.Repeat("s", long) + "}\n",
			`x:1:18: report.serial: bad serial: expected up to 200 printable ASCII characters without spaces, as VoIPBL gave it, or "" for none`},
	})
}

// TestRedacted: a redacted configuration has no secret and is still valid.
func TestRedacted(t *testing.T) {
	c := mustParse(t, "report: {enabled: true, serial: s3cret}\n")
	text := c.Redacted().YAML()
	if strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), "serial: xxxxx\n") {
		t.Errorf("shown is\n%s", text)
	}
	mustParse(t, string(text))
	if c.Report.Serial != "s3cret" {
		t.Errorf("showing it has changed the serial to %q", c.Report.Serial)
	}
	if text := Default().Redacted().YAML(); strings.Contains(string(text), hidden) {
		t.Error("a serial is shown that there is not")
	}
}
