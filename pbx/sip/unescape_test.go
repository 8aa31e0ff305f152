package sip

import "testing"

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		"6001": "6001", "%36001": "6001", "%36%30%30%31": "6001", "6001%": "6001%", "%3": "%3", "%zz%36": "%zz6",
		"%2f%2F": "//", "%": "%", "": "", "%2536": "%36", "a%6Din": "amin",
	} {
		if got := Unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
