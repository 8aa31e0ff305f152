package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestBounds: values exactly at a limit are accepted.
func TestBounds(t *testing.T) {
	name := strings.Repeat("a", 64)
	longURL := "https://a.example/~" + strings.Repeat("u", maxURL-len("https://a.example/~"))
	host := strings.Repeat(strings.Repeat("h", maxLabel)+".", 3) + strings.Repeat("h", maxHostname-3*(maxLabel+1))
	folder := "/" + strings.Repeat("d", maxPath-1)
	serial := strings.Repeat("~", maxSerial)
	const ports = "1:2,3:4,5:6,7:8,9:10,11:12,13:14,16"
	schedule := "0 0 1 1  1" + strings.Repeat(",1", (maxSchedule-10)/2)
	c := mustParse(t, "set: "+strings.Repeat("s", maxSetName)+"\nban_set: "+strings.Repeat("b", maxBanSetName)+"\nstate_dir: "+folder+"\nallow: ["+host+", "+host+".]\n"+
		"feeds: [{name: "+name+", url: '"+longURL+"', schedule: '"+schedule+"'}]\nreport: {serial: '"+serial+"'}\n"+
		"firewall: {services: [{name: "+name+", proto: tcp, ports: '"+ports+"'}], sip: {ports: '"+strings.ReplaceAll("100,102,104,106,108,110,112,114,116,118,120,122,124,126,128", ",", ", ")+"'}}\n")
	for what, got := range map[string]string{
		name: c.Feeds[0].Name, longURL: string(c.Feeds[0].URL), schedule: c.Feeds[0].Schedule.String(), host: c.Allow[0].Name,
		folder: c.StateDir, serial: c.Report.Serial, ports: formatPorts(c.Firewall.Services[0].Ports),
	} {
		if got != what {
			t.Errorf("%q, where %q is written", got, what)
		}
	}
	if _, err := Parse("x", []byte("feeds: [{name: a, path: /a, schedule: '"+schedule+",1'}]\n")); err == nil {
		t.Error("a schedule that is too long is taken")
	}
	if !c.Firewall.SIP.Ports.Fit() {
		t.Error("15 ports do not fit into a rule")
	}
	if NewPorts(append(c.Firewall.SIP.Ports, PortRange{First: 200, Last: 200})...).Fit() {
		t.Error("16 ports fit into a rule")
	}
}

// TestMostErrors: exactly maxErrors errors are all reported.
func TestMostErrors(t *testing.T) {
	_, err := Parse("x", []byte("allow: ["+strings.Repeat("a_b, ", maxErrors)+"]\n"))
	if text := err.Error(); strings.Count(text, "neither an address nor a host name") != maxErrors || strings.Contains(text, "more errors") {
		t.Error(text)
	}
}

// TestParseHost reads hosts for the command line.
func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{"192.0.2.1": "192.0.2.1", "192.0.2.0/24": "192.0.2.0/24", "A.example": "a.example", "a_b": "", "192.0.2.1/24": ""} {
		h, err := ParseHost(text)
		if (err == nil) != (want != "") || err == nil && h.String() != want {
			t.Errorf("%s: %v, %v", text, h, err)
		}
		if err != nil && !strings.Contains(err.Error(), ": expected ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestRedact: the serial and keys in URLs are hidden, and nothing else is.
func TestRedact(t *testing.T) {
	const plain, secret = "https://a.example/list", "https://b.example/list?key=s3cret"
	text := "feeds: [{name: a, url: '" + plain + "'}, {name: b, url: '" + secret + "'}]\n"
	c := mustParse(t, text)
	if got, want := c.Redact(text), strings.Replace(text, secret, c.Feeds[1].URL.String(), 1); got != want || strings.Contains(got, "s3cret") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	text += "report: {serial: n0tShown}\n"
	if got := mustParse(t, text).Redact(text); strings.Contains(got, "n0tShown") || !strings.Contains(got, plain) {
		t.Errorf("got %s", got)
	}
}

// TestFoldersOfBroken finds the folders in a configuration that Parse refuses.
func TestFoldersOfBroken(t *testing.T) {
	for text, want := range map[string][2]string{
		"state_dir: /a\nrun_dir: /b\nset: '-'\n":             {"/a", "/b"},
		"feeds: [\nstate_dir: /a\nset: x: y\nrun_dir: /b\n}": {"/a", "/b"},
		"feeds: [\n  state_dir: /a\n}":                       {Default().StateDir, Default().RunDir},
		"feeds: [\nstate_dir: [\n":                           {Default().StateDir, Default().RunDir},
	} {
		if got := [2]string{StateDir([]byte(text)), RunDir([]byte(text))}; got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

// TestAllErrors: an empty element does not hide the errors after it.
func TestAllErrors(t *testing.T) {
	for text, want := range map[string][]string{
		"feeds: [3, {name: a, path: /a}, {name: a, path: /b}]\n":                                                      {"feeds[0]", "feeds[2].name"},
		"firewall: {services: [3, {name: a, proto: tcp, ports: 80}, {name: a, proto: tcp, ports: 81}]}\n":             {"firewall.services[0]", "firewall.services[2].name"},
		"firewall: {services: [{name: a, ports: 80}, {name: a, ports: 81}]}\n":                                        {"firewall.services[0].proto", "firewall.services[1].proto"},
		"set: a\nset: b\nstate_dir: c\n":                                                                              {"set", "state_dir"},
		"firewall: {services: [{name: a, proto: tcp, ports: '30000:99999'}, {name: b, proto: tcp, ports: '80:x'}]}\n": {"firewall.services[0].ports", "firewall.services[1].ports"},
	} {
		_, err := Parse("x", []byte(text))
		var got []string
		if all, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range all.Unwrap() {
				var e *Error
				if errors.As(one, &e) {
					got = append(got, e.Key)
				}
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: errors of %q, not %q:\n%v", text, got, want, err)
		}
	}
}

// TestParseTime reads times with days. No part may be negative or anything but a decimal
// number.
func TestParseTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"36500d": 36500 * day, "1d0s": day, "1.5d": 36 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "5m": 5 * time.Minute, "-5m": -5 * time.Minute,
		"36501d": -1, "1d-1h": -1, "1dx": -1, "5x": -1, "d": -1, "1e2d": -1, "-1d": -1, "infd": -1, "nand": -1, "1..2d": -1, "5": -1, "": -1,
	} {
		got, err := ParseTime(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]int{"auto": EntriesAuto, "1000": 1000, "100000000": 100_000_000, "999": -9, "100000001": -9, "x": -9, "": -9, "99999999999999": -9} {
		got, f := parseEntries(text)
		if f != nil {
			got = -9
		}
		if got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// TestSuggestions: a key with up to two wrong letters is found, and so is one in the
// wrong place.
func TestSuggestions(t *testing.T) {
	for text, want := range map[string]string{
		"min_entries: 5\n": `did you mean "feeds[].min_entries"?`, "run_d: x\n": `did you mean "run_dir"?`, "run_dirxx: x\n": `did you mean "run_dir"?`, "run_: x\n": "expected one of ", "run_dirxxx: x\n": "expected one of ",
	} {
		if _, err := Parse("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestSecret: HasSecret is true only if there is a secret.
func TestSecret(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "report: {serial: s}\n": true, "feeds: [{name: a, url: 'https://a.example/?key=s3cret'}]\n": true,
		"feeds: [{name: a, url: 'https://a.example/list'}]\n": false,
	} {
		if got := mustParse(t, text).HasSecret(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
