package docfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// File is the name of the copies of the document. The one in the state folder outlives a boot; the
// one in the run folder, which is in memory, counts if the disk is full, damaged or gone. The newest
// valid copy counts.
const File = "fleet-document"

// Book is the document as its files have it.
type Book struct {
	document.Document // the one that counts; with serial 0 there is none

	text   []byte // its signed form
	lacks  [2]bool
	unread error // why no copy can be read, although there is one
}

// folders are those of the copies.
func folders(cfg config.Config) [2]string { return [2]string{cfg.RunDir, cfg.StateDir} }

// Read reads the document that counts on this host. It changes nothing.
func Read(cfg config.Config) (b Book) {
	if !cfg.Fleet.HasDocument() {
		return b
	}
	var errs []error
	var serials [2]uint64
	for i, dir := range folders(cfg) {
		d, text, err := readCopy(dir, cfg.Fleet.Key)
		switch {
		case err == nil:
			serials[i] = d.Serial
			if d.Newer(b.Document) {
				b.Document, b.text = d, text
			}
		case !problem.IsAbsent(err):
			errs = append(errs, err)
		}
	}
	for i, serial := range serials {
		b.lacks[i] = b.Serial > serial
	}
	if b.Serial == 0 {
		b.unread = errors.Join(errs...)
	}
	return b
}

func readCopy(dir string, key config.DocumentKey) (document.Document, []byte, error) {
	path := filepath.Join(dir, File+".json")
	if _, err := os.Lstat(path); problem.IsAbsent(err) {
		return document.Document{}, nil, err // before the first document: do not open the folder
	}
	store, err := fetch.FindStore(dir)
	if err != nil {
		return document.Document{}, nil, err
	}
	defer store.Close()
	var text json.RawMessage
	if err := store.ReadJSON(File, &text); err != nil {
		return document.Document{}, nil, err
	}
	d, err := verify(text, key)
	if err != nil {
		return document.Document{}, nil, &fetch.DamagedError{Path: path, Why: err.Error()}
	}
	return d, text, nil
}

// verified is a copy that was read, and what it says.
type verified struct {
	text []byte
	key  config.DocumentKey
	document.Document
}

// lately is the copy that was read last. The agent reads it with each ban; to verify a large document takes
// milliseconds.
var lately atomic.Pointer[verified]

// verify is [document.Verify]. Nobody changes its result.
func verify(text []byte, key config.DocumentKey) (document.Document, error) {
	if last := lately.Load(); last != nil && last.key == key && bytes.Equal(last.text, text) {
		return last.Document, nil
	}
	d, err := document.Verify(text, key)
	if err == nil {
		lately.Store(&verified{bytes.Clone(text), key, d})
	}
	return d, err
}

// Problem returns what is wrong with the copies, or nil.
func (b Book) Problem() *problem.Problem {
	switch {
	case b.unread != nil:
		return &problem.Problem{
			Reason: "fleet-document-unread",
			Error:  "the operator's document cannot be read, so that whom it allows may be blocked: " + problem.Line(b.unread),
			Remedy: "nothing, once the hub is reached: it brings the document again",
		}
	case b.lacks[1]:
		return &problem.Problem{
			Reason: "not-written-down",
			Error:  "the operator's document is in force and not written down: after a boot it does not count until the hub is reached",
			Remedy: "make room in state_dir, and see that it can be written to; then \"voipbl sync\" writes them down",
		}
	}
	return nil
}

// oldError is returned for a document that is older than the newest one that this host has seen.
type oldError struct{ Serial, Newest uint64 }

func (e *oldError) Error() string {
	if e.Serial == e.Newest {
		return fmt.Sprintf("it is another document with the serial of the newest one that this host has seen (%d)", e.Serial)
	}
	return fmt.Sprintf("it is older (serial %d) than the newest one that this host has seen (%d)", e.Serial, e.Newest)
}

// refusedError is returned for a document that does not count, whoever has sent it.
type refusedError struct{ Err error }

func (e *refusedError) Error() string {
	return "the document from the hub is refused: " + e.Err.Error()
}
func (e *refusedError) Unwrap() error { return e.Err }

// Explain returns a word for it, and what to do about it.
func (e *refusedError) Explain() (reason, what, remedy string) {
	const still = "what was in force still is; "
	switch {
	case errors.As(e.Err, new(*oldError)):
		remedy = "have the operator publish the newest document again, or sign a newer one"
	case errors.Is(e.Err, document.ErrSignature), errors.Is(e.Err, document.ErrForm):
		remedy = "ask the operator whether the key of the fleet (fleet.key) has changed; if not, somebody else writes at the hub"
	default:
		remedy = "have the operator mend the document and sign it again, or update voipbl here"
	}
	return "fleet-document-refused", "", still + remedy
}

// Take puts a document in force that has come from the hub, and reports whether it is another one than
// before. unkept says why it is not in the state folder, so that a boot loses it. The error is a
// [*refusedError] if the document does not count.
func Take(ctx context.Context, cfg config.Config, verb string, wait time.Duration, text []byte) (now Book, changed bool, unkept, err error) {
	unlock, err := state.Lock(ctx, cfg.RunDir, state.DocumentLock, verb, wait, nil)
	if err != nil {
		return Book{}, false, nil, err
	}
	defer unlock()
	b := Read(cfg)
	d, err := document.Verify(text, cfg.Fleet.Key)
	switch {
	case err != nil:
		return b, false, nil, &refusedError{err}
	case d.Newer(b.Document):
		b.Document, b.text, b.unread, changed = d, text, nil, true
		b.lacks = [2]bool{true, true}
	case !document.Same(text, b.text):
		return b, false, nil, &refusedError{&oldError{d.Serial, b.Serial}}
	}
	unkept, err = b.write(cfg)
	if err != nil {
		return b, false, nil, err
	}
	return b, changed, unkept, nil
}

// Keep writes the document where a copy of it is missing, for "voipbl sync" and the agent.
func Keep(ctx context.Context, cfg config.Config, verb string, wait time.Duration) error {
	if b := Read(cfg); b.lacks == [2]bool{} {
		return nil
	}
	unlock, err := state.Lock(ctx, cfg.RunDir, state.DocumentLock, verb, wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	b := Read(cfg)
	unkept, err := b.write(cfg)
	return errors.Join(unkept, err)
}

// write writes the copies that are missing. It succeeds if one of the folders has the document; then
// unkept says why the state folder has it not. The caller holds the lock.
func (b *Book) write(cfg config.Config) (unkept, err error) {
	open := [2]func() (*fetch.Store, error){
		func() (*fetch.Store, error) { return fetch.OpenStore(cfg.RunDir) },
		func() (*fetch.Store, error) { return state.OpenStore(cfg) },
	}
	var errs [2]error
	for i := range b.lacks {
		if b.lacks[i] {
			errs[i] = writeCopy(open[i], b.text)
			b.lacks[i] = errs[i] != nil
		}
	}
	if b.lacks == [2]bool{true, true} {
		return nil, errors.Join(errs[:]...)
	}
	return errs[1], nil
}

func writeCopy(open func() (*fetch.Store, error), text []byte) error {
	store, err := open()
	if err != nil {
		return err
	}
	defer store.Close()
	return store.WriteJSON(File, json.RawMessage(text))
}
