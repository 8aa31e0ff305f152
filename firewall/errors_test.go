package firewall

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/voipbl/voipbl/iptables"
)

// TestPassing tells a listing that failed for the moment from one that always does.
func TestPassing(t *testing.T) {
	listing := func(code int, said string) error {
		return fmt.Errorf("IPv4: %w", &ToolError{Tool: "iptables-nft-save", Code: code, Said: said})
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{listing(4, "iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: No buffer space available"), true},
		{listing(1, "iptables-save: Cannot allocate memory"), true},
		{listing(1, "iptables: Memory allocation problem."), true},
		{listing(-1, ""), true},
		{fmt.Errorf("iptables-nft-save: %w", context.DeadlineExceeded), true},
		{errListings, true},
		{&leftOutError{}, true},
		{&slowToolError{}, true},
		{listing(3, "can't initialize ip6tables table `filter': Table does not exist"), false},
		{&ToolError{Text: "*raw\n", Said: "No buffer space available"}, false},
		{&iptables.MissingToolError{Tool: "iptables-nft-save"}, false},
		{nil, false},
	} {
		if got := Passing(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// TestRemediesWhilePassing: a reason that keeps rules from being listed only for the moment has its own
// remedy, the same for both families.
func TestRemediesWhilePassing(t *testing.T) {
	for _, err := range []error{errListings, &slowToolError{Tool: "iptables-legacy-save"}} {
		var own interface{ Remedy() string }
		if !errors.As(err, &own) || own.Remedy() == "" {
			t.Errorf("%v has no remedy", err)
			continue
		}
		for _, f := range iptables.Families {
			if got := (&FamilyError{f, err}).Remedy(); got != own.Remedy() {
				t.Errorf("%v over %s: remedy %q, and alone %q", err, f, got, own.Remedy())
			}
		}
	}
}
