package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
)

// TestNoGap: a host that comes while another one speaks misses nothing.
func TestNoGap(t *testing.T) {
	h := startKeptHub(t)
	a := h.join("acme_pbx1")
	all := addresses(400)
	a.says(all[:200]...)
	a.awaitSaid()
	b := h.join("zeta_pbx1")
	for i := 200; i <= len(all); i += 5 {
		a.says(all[i-200 : i]...)
	}
	b.awaitHears("acme_pbx1", all[200:]...)
}

// TestResume: after the hub was killed, only what is new is read, and the end of what was read.
func TestResume(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	writers := h.crowd(4)
	b := h.join("zeta_pbx1")
	b.awaitSynced(1)
	for _, w := range writers {
		b.awaitHears(fleet.Name(w.member.name), addresses(100)...)
	}
	var before int
	b.look(func() { before = b.took })
	if before != len(writers)*fleet.Slots {
		t.Fatalf("%d slots were read", before)
	}
	h.Restart()
	b.awaitSynced(2)
	writers[0].says(addresses(99)...)
	b.awaitHears("acme_pbx0", addresses(99)...)
	b.look(func() {
		if b.anew != 0 || b.took != before+1 {
			t.Errorf("%d streams were new, %d slots were read again", b.anew, b.took-before-1)
		}
		if len(b.lost) == 0 || b.lost[0].Refused {
			t.Errorf("%+v", b.lost)
		}
	})
}

// crowd joins n hosts, which say the same hundred bans.
func (h *theHub) crowd(n int) []*host {
	h.t.Helper()
	var all []*host
	for i := range n {
		w := h.join(fleet.Name(fmt.Sprintf("acme_pbx%d", i)))
		w.says(addresses(100)...)
		all = append(all, w)
	}
	for _, w := range all {
		w.awaitSaid()
	}
	return all
}

// TestEmptyStore: a hub that has lost everything has it again, and what has changed meanwhile.
func TestEmptyStore(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	writers := h.crowd(3)
	b := h.join("zeta_pbx1")
	b.awaitSynced(1)
	h.Kill()
	h.must(os.RemoveAll(h.Store))
	writers[0].says(addresses(90)...)
	h.Run()
	b.awaitHears("acme_pbx0", addresses(90)...)
	for _, w := range writers[1:] {
		b.awaitHears(fleet.Name(w.member.name), addresses(100)...)
		w.awaitSaid()
	}
	b.look(func() {
		if b.anew != 1 {
			t.Errorf("%d streams were new", b.anew)
		}
	})
}

// copyStore stops the hub, copies its store, and runs it again.
func (h *theHub) copyStore() string {
	h.t.Helper()
	h.Stop()
	backup := filepath.Join(h.t.TempDir(), "backup")
	h.must(os.CopyFS(backup, os.DirFS(h.Store)))
	h.Run()
	return backup
}

// restore kills the hub, and runs it with a copy of its store.
func (h *theHub) restore(backup string) {
	h.t.Helper()
	h.Kill()
	h.must(os.RemoveAll(h.Store))
	h.must(os.CopyFS(h.Store, os.DirFS(backup)))
	h.Run()
}

// TestBackup: a hub that comes back as it was yesterday soon has what it had today.
func TestBackup(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	writers := h.crowd(3)
	b := h.join("zeta_pbx1")
	b.awaitSynced(1)
	backup := h.copyStore()
	writers[0].says(addresses(50)...)
	writers[1].says()
	b.says("45.9.9.9")
	b.awaitHears("acme_pbx0", addresses(50)...)
	b.awaitHears("acme_pbx1")
	writers[2].awaitHears("zeta_pbx1", "45.9.9.9")
	h.restore(backup)
	for _, o := range append(writers, b) {
		until(t, "the stream is another one", func() (is bool) { o.look(func() { is = o.anew == 1 && o.synced > 0 }); return is })
		o.awaitHears("acme_pbx0", addresses(50)...)
		o.awaitHears("acme_pbx1")
		o.awaitHears("acme_pbx2", addresses(100)...)
		o.awaitHears("zeta_pbx1", "45.9.9.9")
		o.awaitSaid()
	}
}

// TestBackupRevoked: a hub that comes back as it was yesterday has nothing of a host that was revoked today.
func TestBackupRevoked(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	bad, good := h.join("acme_pbx1"), h.join("beta_pbx1")
	for _, o := range []*host{bad, good} {
		o.says(addresses(100)...)
		o.awaitSaid()
	}
	b := h.join("zeta_pbx1")
	b.awaitHears("acme_pbx1", addresses(100)...)
	backup := h.copyStore()
	h.op.Revoke("acme_pbx1", time.Now())
	h.Reload(h.config(h.Place))
	creds, err := h.op.AdminCreds()
	h.must(err)
	_, err = TakeOut(t.Context(), h.op.URLs(), creds.Text(), "acme_pbx1", false)
	h.must(err)
	b.awaitHears("acme_pbx1")
	h.keep() // the keeper that knows of it
	h.restore(backup)
	until(t, "the stream is another one", func() (is bool) { b.look(func() { is = b.anew == 1 }); return is })
	b.awaitHears("acme_pbx1")
	b.awaitHears("beta_pbx1", addresses(100)...)
	after := h.join("eta_pbx1")
	after.awaitSynced(1)
	after.awaitHears("acme_pbx1")
	after.awaitHears("beta_pbx1", addresses(100)...)
}

// TestBackupOvertaken: the hub comes back as it was yesterday while a host is away, and has more messages
// than before when the host comes back. So neither the stream's creation nor its last sequence tell.
func TestBackupOvertaken(t *testing.T) {
	t.Parallel()
	h := startKeptHub(t)
	writers := h.crowd(2)
	b := h.join("zeta_pbx1")
	b.awaitSynced(1)
	backup := h.copyStore()
	b.says("45.9.9.9")
	writers[0].says(addresses(80)...)
	b.awaitHears("acme_pbx0", addresses(80)...)
	b.awaitHears("zeta_pbx1", "45.9.9.9")
	had := b.Health().Sequence
	b.end()
	writers[0].end()
	h.restore(backup)

	// In the new history, another host has the sequences that b has read.
	other := h.join("beta_pbx1")
	for i := range 10 {
		other.says(addresses(100 + i)...)
		other.awaitSaid()
	}
	writers[1].says(addresses(70)...)
	writers[1].awaitSaid()
	until(t, "the stream is longer than before", func() bool { return other.Health().Sequence > had })

	b.start()
	until(t, "the other history is noticed", func() (is bool) { b.look(func() { is = b.anew == 1 }); return is })
	b.awaitHears("acme_pbx0", addresses(100)...) // as it was: this host is away
	b.awaitHears("acme_pbx1", addresses(70)...)
	b.awaitHears("beta_pbx1", addresses(109)...)
	b.awaitSaid()
	other.awaitHears("zeta_pbx1", "45.9.9.9")
}
