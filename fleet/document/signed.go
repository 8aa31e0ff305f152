package document

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
)

// MaxSigned is the size in bytes of the largest signed document. It leaves room for as many hosts as a
// document may allow, and for the names of about 1,000 hosts of the fleet beside them.
const MaxSigned = 64 << 10

// format is the version of what a document says. A reader ignores fields that it does not know, so it
// changes only if they change what the others mean.
const format = 1

// purpose begins the text that is signed, so that no signature for anything else is one for a document.
const purpose = "voipbl: the document of a fleet's operator\n"

// signed is a document with its signature.
type signed struct {
	Body []byte `json:"body"` // the JSON of body
	Sig  []byte `json:"sig"`  // ed25519, of purpose and Body
}

type body struct {
	Format         int       `json:"format"`
	Serial         uint64    `json:"serial"`
	At             time.Time `json:"at"`
	Allow          []string  `json:"allow,omitempty"`
	Trunks         []string  `json:"trunks,omitempty"`
	Trust          []string  `json:"trust,omitempty"`
	Hosts          []string  `json:"hosts,omitempty"`
	Revoked        []string  `json:"revoked,omitempty"`
	MinimumVersion string    `json:"minimum_version,omitempty"`
}

// Sign returns the signed form of a document.
func Sign(d Document, k Key) ([]byte, error) {
	b, err := d.body()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(signed{b, ed25519.Sign(k.private, toSign(b))})
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// maxBody is the size of the largest document, without its signature and in no base64.
const maxBody = (MaxSigned - 200) / 4 * 3

func (d Document) body() ([]byte, error) {
	b, err := json.Marshal(body{
		format, d.Serial, d.At, Texts(d.Allow), Texts(d.Trunks), d.Trust, d.Hosts, d.Revoked, d.MinimumVersion,
	})
	if err == nil && len(b) > maxBody {
		err = fmt.Errorf("the document is too long (%d bytes): expected at most %d; hosts may be left out", len(b), maxBody)
	}
	return b, err
}

func toSign(body []byte) []byte { return append([]byte(purpose), body...) }

// Texts returns hosts as they are written.
func Texts(hosts []config.Host) []string {
	var texts []string
	for _, h := range hosts {
		texts = append(texts, h.String())
	}
	return texts
}

// Same reports whether two signed forms are of one document.
func Same(a, b []byte) bool {
	var one, other signed
	return json.Unmarshal(a, &one) == nil && json.Unmarshal(b, &other) == nil && bytes.Equal(one.Body, other.Body)
}

// Errors of [Verify].
var (
	ErrForm      = errors.New("it is no signed document of a fleet")
	ErrSignature = errors.New("the operator's key has not signed it (fleet.key)")
)

// Verify returns the document in its signed form, if the owner of the key has signed it and it is one that
// counts. It may be an old one.
func Verify(text []byte, key config.DocumentKey) (Document, error) {
	var s signed
	if len(text) > MaxSigned || json.Unmarshal(text, &s) != nil || len(s.Body) == 0 || len(s.Sig) != ed25519.SignatureSize {
		return Document{}, ErrForm
	}
	if key == (config.DocumentKey{}) || !ed25519.Verify(key[:], toSign(s.Body), s.Sig) {
		return Document{}, ErrSignature
	}
	// From here on it is the operator's own word, and errors are for the operator.
	var b body
	var f struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(s.Body, &f); err != nil {
		return Document{}, ErrForm
	}
	if f.Format != format {
		return Document{}, fmt.Errorf("it is for another version of voipbl: format %d, not %d", f.Format, format)
	}
	if err := json.Unmarshal(s.Body, &b); err != nil {
		return Document{}, ErrForm
	}
	checked, err := config.CheckFleetDocument(config.FleetDocumentText{
		Allow: b.Allow, Trunks: b.Trunks, Trust: b.Trust, Hosts: b.Hosts, Revoked: b.Revoked, MinimumVersion: b.MinimumVersion,
	})
	if err != nil {
		return Document{}, err
	}
	checked.Serial = b.Serial
	d := Document{checked, b.At.UTC().Truncate(time.Second)}
	return d, d.check()
}
