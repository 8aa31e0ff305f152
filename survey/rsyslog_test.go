package survey

import "testing"

func TestRsyslogTargets(t *testing.T) {
	for line, want := range map[string]bool{
		"*.*;auth,authpriv.none  -/var/log/syslog": true,
		"local0.*  /var/log/pbx":                   true,
		"local0,local1.notice /var/log/pbx":        true,
		"*.*;local0.none -/var/log/syslog":         false,
		"local1.* /var/log/pbx":                    false,
		"local0.* @loghost":                        false,
		"# local0.* /var/log/pbx":                  false,
		"$ModLoad imuxsock":                        false,
	} {
		if got := len(rsyslogTargets(line+"\n", "local0")) > 0; got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}
