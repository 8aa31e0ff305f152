package enroll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/problem"
)

// PublishOptions are what the operator asks of "voipbl fleet publish".
type PublishOptions struct {
	HubOptions
	File string // the signed document
}

// Published is what "voipbl fleet publish --json" prints.
type Published struct {
	Serial  uint64           `json:"serial"`
	Before  uint64           `json:"before"`  // the serial of the one that the hub had; 0: none that counts
	New     bool             `json:"new"`     // it is put at the hub, or would be; false: the hub has it already
	Unknown []string         `json:"unknown"` // sites and hosts that it trusts or lists, and the hub does not know
	Error   *problem.Problem `json:"error,omitempty"`
}

// Publish puts a signed document on the hub, which brings it to all hosts.
func Publish(ctx context.Context, opts PublishOptions) (*Published, error) {
	h := &hubRun{HubOptions: opts.HubOptions, verb: "voipbl fleet publish"}
	r := &Published{Unknown: []string{}}
	err := notApplied(h.publish(ctx, opts, r))
	r.Error = problemOf(err)
	return r, err
}

func (h *hubRun) publish(ctx context.Context, opts PublishOptions, r *Published) error {
	if err := onlyRoot(useKeys); err != nil {
		return err
	}
	text, err := ReadPlain(opts.File, document.MaxSigned)
	if err != nil {
		return err
	}
	unlock, err := h.openThere(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	key, err := config.ParseDocumentKey(h.op.DocumentKey)
	if err != nil {
		return err
	}
	if key == (config.DocumentKey{}) {
		return (&problem.Problem{Error: "the hub does not know by which key hosts verify documents", Remedy: "voipbl fleet init --document-key KEY, with the key that \"voipbl fleet sign --new-key\" has printed"}).Err()
	}
	d, err := document.Verify(text, key)
	if err != nil {
		return (&problem.Problem{Error: opts.File + ": " + err.Error(), Remedy: "sign it (voipbl fleet sign --key KEY DOCUMENT -o FILE) with the key of \"voipbl fleet init --document-key\", and publish FILE"}).Err()
	}
	r.Serial = d.Serial
	r.Unknown = append(r.Unknown, unknownNames(d, h.op.Hosts)...)
	creds, err := h.op.AdminCreds()
	if err != nil {
		return err
	}
	err = hub.PublishDocument(ctx, h.local(), creds.Text(), text, func(now []byte) error { return h.mayPublish(d, now, key, r) })
	switch {
	case errors.Is(err, errWould):
		return nil
	case err == nil && !r.New:
		r.Before = d.Serial
		return h.notePublished(d.Serial)
	case err != nil && problem.RemedyOf(err) == "" && !errors.As(err, new(*fs.PathError)):
		return (&problem.Problem{Error: "the document is not published: " + err.Error(), Remedy: h.serverRemedy()}).Err()
	}
	return err
}

// errWould ends a dry run.
var errWould = errors.New("it would be published")

// mayPublish decides whether a document takes the place of the one that the hub has, and notes that it was
// published: the hub may lose it.
func (h *hubRun) mayPublish(d document.Document, now []byte, key config.DocumentKey, r *Published) error {
	if was, err := document.Verify(now, key); err == nil {
		r.Before = was.Serial
		if !d.Newer(was) {
			return (&problem.Problem{
				Error:  fmt.Sprintf("the hub has the document with the serial %d, and hosts take none whose serial is not larger; this one has %d", was.Serial, d.Serial),
				Remedy: "sign it once more (\"voipbl fleet sign\"), with --serial if the clock was ahead before, and publish that",
			}).Err()
		}
	}
	r.New = true
	if h.DryRun {
		return errWould
	}
	return h.notePublished(d.Serial)
}

// notePublished writes down that the hub has had a document: it may lose it.
func (h *hubRun) notePublished(serial uint64) error {
	if h.DryRun || serial <= h.op.Published {
		return nil
	}
	h.op.Published = serial
	text, err := h.op.Text()
	if err != nil {
		return err
	}
	return file{Name: operator, Text: text, Mode: 0o600, Folder: hubFolderMode}.write(h.Root)
}
