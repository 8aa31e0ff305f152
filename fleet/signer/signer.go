// Package signer is "voipbl fleet sign": it makes the operator's key, and signs what the operator has
// written for all hosts of a fleet. It runs where the operator keeps that key, which is not the hub:
// whoever breaks into the hub must not be able to allow hosts, or to make others believed.
//
// It needs no voipbl, no agent and no configuration on that machine. What is signed, and what hosts
// refuse, package fleet/document says.
package signer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
)

const (
	maxKeyFile = 4 << 10
	maxText    = 1 << 20 // of what the operator writes: as large as a configuration

	keyMode    = 0o600
	signedMode = 0o644 // it is no secret

	// farAhead is how far a serial may be ahead of the time, which is the serial of documents that have
	// none of their own. Until then, hosts would refuse those.
	farAhead = 24 * time.Hour
)

// NewKey is the result of [MakeKey].
type NewKey struct {
	File string `json:"file"`
	Key  string `json:"key"`  // the public one, for fleet.key of the hosts
	Made bool   `json:"made"` // false: the file had a key before
}

// MakeKey makes the operator's key and writes it to a file, which nobody but this user can read. If the file
// has a key, that one stays.
func MakeKey(file string) (*NewKey, error) {
	k, err := readKey(file)
	if err == nil {
		return &NewKey{File: file, Key: k.Public().String()}, nil
	}
	if !problem.IsAbsent(err) {
		return nil, notSigned(err)
	}
	k = document.NewKey()
	if err := writeNew(file, []byte(k.Secret()+"\n")); err != nil {
		return nil, notSigned(fmt.Errorf("no key is made: %w", err))
	}
	return &NewKey{File: file, Key: k.Public().String(), Made: true}, nil
}

// writeNew writes a file that is not there yet. A key is never overwritten.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, keyMode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// Options say what is signed.
type Options struct {
	Key      string // the file with the private key
	Document string // what the operator has written
	Serial   uint64 // in place of the document's; 0: that one
	Out      string // the signed document; "" for Signed.Text alone
	Last     string // an older signed document; "": Out, as it is before
	DryRun   bool
	Now      time.Time
}

// Signed is the result of [Sign].
type Signed struct {
	Serial  uint64            `json:"serial"`
	At      time.Time         `json:"at"`
	Key     string            `json:"key"`            // by which hosts verify it
	File    string            `json:"file,omitempty"` // where it was written
	Last    string            `json:"last,omitempty"` // the file that it was compared with
	After   uint64            `json:"after,omitempty"`
	Changes []document.Change `json:"changes"`
	Note    string            `json:"note,omitempty"` // what the serial means for later documents
	DryRun  bool              `json:"dry_run,omitempty"`

	Text []byte `json:"-"`
}

// Sign signs a document.
func Sign(o Options) (*Signed, error) {
	k, err := readKey(o.Key)
	if err != nil {
		return nil, notSigned(err)
	}
	text, err := readFile(o.Document, maxText)
	if err != nil {
		return nil, notSigned(err)
	}
	written, err := config.ParseFleetDocument(o.Document, text)
	if err != nil {
		return nil, &exit.Error{Code: exit.Usage, Err: err}
	}
	if o.Serial != 0 {
		written.Serial = o.Serial
	}
	d, err := document.New(written, o.Now)
	if err != nil {
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: hosts would refuse it: %w", o.Document, err)}
	}
	s := &Signed{Serial: d.Serial, At: d.At, Key: k.Public().String(), DryRun: o.DryRun}
	s.Note = noteOn(d.Serial, o.Now)
	last, err := s.compare(o, k)
	if err != nil {
		return nil, notSigned(err)
	}
	if s.Changes = document.Changes(last.FleetDocument, d.FleetDocument); s.Changes == nil {
		s.Changes = []document.Change{}
	}
	if s.Last != "" && !d.Newer(last) {
		return nil, notSigned((&problem.Problem{
			Reason: "error",
			Error:  fmt.Sprintf("%s has serial %d, and %s has %d: hosts take only documents with a larger one", o.Document, d.Serial, s.Last, last.Serial),
			Remedy: serialRemedy(written.Serial == 0, last.Serial, o.Now),
		}).Err())
	}
	if s.Text, err = document.Sign(d, k); err != nil {
		return nil, notSigned(err)
	}
	if o.Out == "" || o.DryRun {
		return s, nil
	}
	if err := renameio.WriteFile(o.Out, s.Text, signedMode); err != nil {
		return nil, notSigned(err)
	}
	s.File = o.Out
	return s, nil
}

// serialRemedy is what to do if the serial is not larger than the last one. byTime: it is the time.
func serialRemedy(byTime bool, last uint64, now time.Time) string {
	next := fmt.Sprintf("sign with --serial %d, or a larger one", last+1)
	switch ahead := now.Unix() < 0 || last >= uint64(now.Unix()); {
	case !byTime && !ahead:
		return "leave \"serial\" out, which is the time then; or " + next
	case byTime:
		return fmt.Sprintf("if the clock of this machine is behind (%s), set it and sign again; if the one of then was ahead, %s", now.Local().Format(time.DateTime), next)
	}
	return next
}

// noteOn says what follows from a serial that is far ahead of the time; "" if it is not.
func noteOn(serial uint64, now time.Time) string {
	if now.Unix() >= 0 && serial <= uint64(now.Add(farAhead).Unix()) {
		return ""
	}
	return fmt.Sprintf("serial %d is far ahead of the time (%d): hosts that have seen it refuse all documents with a smaller one, so each later one needs a larger serial of its own", serial, now.Unix())
}

// compare reads the older document.
func (s *Signed) compare(o Options, k document.Key) (last document.Document, err error) {
	file := o.Last
	if file == "" {
		file = o.Out
	}
	if file == "" {
		return last, nil
	}
	text, err := readFile(file, document.MaxSigned)
	if problem.IsAbsent(err) && o.Last == "" {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	last, err = document.Verify(text, k.Public())
	switch {
	case errors.Is(err, document.ErrForm) && o.Last == "":
		return last, (&problem.Problem{
			Reason: "error",
			Error:  file + " is no signed document, and is not overwritten",
			Remedy: "choose another file with -o",
		}).Err()
	case errors.Is(err, document.ErrSignature):
		return last, (&problem.Problem{
			Reason: "error",
			Error:  fmt.Sprintf("%s is signed by another key than that in %s", file, o.Key),
			Remedy: "sign with the key that the hosts have (fleet.key); if that is to be another one, choose another file with -o",
		}).Err()
	case err != nil:
		return last, fmt.Errorf("%s: %w", file, err)
	}
	s.Last, s.After = file, last.Serial
	return last, nil
}

func readKey(file string) (document.Key, error) {
	text, err := readFile(file, maxKeyFile)
	if err != nil {
		return document.Key{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return document.Key{}, err
	}
	k, err := document.ParseKey(string(text))
	if err != nil {
		return document.Key{}, fmt.Errorf("%s: %w", file, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return document.Key{}, (&problem.Problem{
			Reason: "error",
			Error:  fmt.Sprintf("others can read or change the operator's key, %s (%v)", file, mode),
			Remedy: fmt.Sprintf("chmod 600 %s; if somebody may have read it, make a new key and give that to the hosts", file),
		}).Err()
	}
	return k, nil
}

// readFile reads an ordinary file that is not too large.
func readFile(file string, most int64) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may be a FIFO
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, &fs.PathError{Op: "read", Path: file, Err: errors.New("it is no ordinary file")})
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = &fs.PathError{Op: "read", Path: file, Err: fmt.Errorf("it has more than %d bytes", most)}
	}
	return text, err
}

func notSigned(err error) error { return &exit.Error{Code: exit.NotApplied, Err: err} }
