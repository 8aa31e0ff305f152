package hub

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestPublishDocument: what the operator publishes comes to all hosts, those that are connected and those that
// come later, as large as it may be, and a host cannot publish any.
func TestPublishDocument(t *testing.T) {
	h := startKeptHub(t)
	a := h.join("acme_pbx1")
	a.awaitSynced(1)
	admin, err := h.op.AdminCreds()
	h.must(err)
	publish := func(text []byte, may func([]byte) error) error {
		return PublishDocument(t.Context(), h.op.URLs(), admin.Text(), text, may)
	}
	has := func(o *host, want []byte) {
		t.Helper()
		var papers [][]byte
		if !testpoll.Until(limit, func() bool {
			o.look(func() { papers = o.papers })
			return len(papers) > 0 && bytes.Equal(papers[len(papers)-1], want)
		}) {
			t.Fatalf("%s has %d documents, and not the last one", o.member.name, len(papers))
		}
	}
	first, second := []byte(`{"body":"1"}`), bytes.Repeat([]byte("x"), document.MaxSigned)
	h.must(publish(first, func(now []byte) error {
		if now != nil {
			t.Errorf("before the first: %s", now)
		}
		return nil
	}))
	has(a, first)
	if err := publish(first, func([]byte) error { return errors.New("it is asked for one that is there") }); err != nil {
		t.Error(err)
	}
	refused := errors.New("it is older")
	if err := publish(second, func(now []byte) error {
		if !bytes.Equal(now, first) {
			t.Errorf("%s", now)
		}
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	h.must(publish(second, func([]byte) error { return nil }))
	has(a, second)
	b := h.join("zeta_pbx1")
	has(b, second)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m, err := memberOf(h.admit(fleet.Name("acme_pbx2")), serverAPI)
	h.must(err)
	complained := make(chan error, 1)
	nc, _, err := dial(ctx, h.op.URLs(), m, func(err error) {
		select {
		case complained <- err:
		default:
		}
	}, func(error) {})
	h.must(err)
	defer nc.Close()
	h.must(nc.Publish(documentSubject, first))
	h.must(nc.Flush())
	if err := <-complained; err == nil {
		t.Error("a host may publish a document")
	}
	h.must(publish(second, func(now []byte) error { t.Errorf("a host has published %s", now); return nil }))
}
