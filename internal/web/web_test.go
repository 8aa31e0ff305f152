package web

import (
	"net/url"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true},
		{"120", 2 * time.Minute, true},
		{"99999999999999999999", (1<<31 - 1) * time.Second, true},
		{"-1", -time.Second, false},
		{"-99999999999999999999", 0, false},
		{"", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
		{"Fri, 01 May 2026 12:00:20 GMT", 20 * time.Second, true},
		{"Friday, 01-May-26 12:00:20 GMT", 20 * time.Second, true},
		{"Fri May  1 12:00:20 2026", 20 * time.Second, true},
		{"Fri, 01 May 2020 12:00:20 GMT", 0, true},
	}
	for _, tt := range tests {
		got, ok := RetryAfter(tt.value, now)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %v, %v, want %v, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func TestPause(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 3: 4 * time.Minute, 4: 8 * time.Minute,
		5: 16 * time.Minute, 6: 30 * time.Minute, 7: 30 * time.Minute, 1_000_000: 30 * time.Minute,
	} {
		if got := Pause(failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}

func TestAllowed(t *testing.T) {
	for text, want := range map[string][2]string{ // the error without and with "insecure"
		"https://a.example/": {"", ""},
		"http://a.example/":  {"http, where https is required", ""},
		"ftp://a.example/":   {`scheme "ftp" is not http or https`, `scheme "ftp" is not http or https`},
		"/etc/passwd":        {`scheme "" is not http or https`, `scheme "" is not http or https`},
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, insecure := range []bool{false, true} {
			got := ""
			if err := Allowed(u, insecure); err != nil {
				got = err.Error()
			}
			if got != want[i] {
				t.Errorf("%s, insecure %v: %q, not %q", text, insecure, got, want[i])
			}
		}
	}
}

func TestStatusWords(t *testing.T) {
	for code, want := range map[int]string{404: "404 Not Found", 599: "599"} {
		if got := StatusWords(code); got != want {
			t.Errorf("%d is %q", code, got)
		}
	}
}
