package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestUnreadableSetNames has the file of former set names not be readable for a moment. It
// is not written over, and a removal says what it could not find.
func TestUnreadableSetNames(t *testing.T) {
	testskip.UnlessRoot(t)
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			h := newFaultHost(t, faultVerb{name: "sync", config: "old"})
			fault := testfault.Fault{Kind: testfault.Open, N: 1, Errno: errno, On: true, File: "set-names.json"}

			r := h.run(faultVerb{args: []string{"sync"}, config: "renamed"}, fault)
			if !strings.Contains(r.text, "the names of the sets are not remembered") {
				t.Errorf("sync: exit %d: %s", r.code, r.text)
			}
			r = h.run(faultVerb{args: []string{"remove"}, config: "renamed"}, fault)
			if r.code != exit.Stale || !strings.Contains(r.text, "these sets stay, and may be voipbl's") || !strings.Contains(r.text, ": voip_ban, voip_ban6, voip_bl, voip_bl6\n") || !strings.Contains(r.text, "try: ") {
				t.Errorf("remove: exit %d: %s", r.code, r.text)
			}
			if strings.Contains(h.read("ipset", "list", "-name"), "pbx_") {
				t.Error("what is known stays")
			}
			h.must("renamed", "remove")
			if left := h.read("ipset", "list", "-name"); left != "" {
				t.Errorf("left: %s", left)
			}
		})
	}
}

// TestNoMoreFiles has a sync meet at a local list that it, or the host, may open no more files,
// or has no memory. That says nothing about the list, neither then nor in status, which has enough.
func TestNoMoreFiles(t *testing.T) {
	testskip.UnlessRoot(t)
	h := newFaultHost(t, faultVerb{name: "sync", config: "old"})
	for errno, want := range map[syscall.Errno]string{syscall.EMFILE: "LimitNOFILE", syscall.ENFILE: "short of memory, files", syscall.ENOMEM: "short of memory, files"} {
		r := h.run(faultVerb{args: []string{"sync"}, config: "old"}, testfault.Fault{Kind: testfault.Open, N: 1, Errno: errno, On: true, File: "/near"})
		status, code := h.voipbl("old", "status")
		for said, is := range map[string]int{r.text: r.code, status: code} {
			if is != exit.Stale || !strings.Contains(said, want) || strings.Contains(said, "check its owner") {
				t.Errorf("%v: exit %d: %s", errno, is, said)
			}
		}
	}
}
