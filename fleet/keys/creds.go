package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// MaxCreds is how long a credential's file can be.
const MaxCreds = 64 << 10

// Creds is what a user proves itself by to the hub, and knows the hub by.
type Creds struct {
	Token   string    // signed by the operator: the name, the public key
	Seed    string    // the private key
	CA      string    // certificates (PEM) by which the hub's is checked; none: those of the system
	Name    string    // of the user: a host's or that of a user on the hub
	Key     string    // public
	Expires time.Time // zero: never
	Mirror  bool      // this host may put lists at the hub, for all
}

// mirrorTag is in the token of a mirror. It gives no rights: those are of the key that has signed the token.
const mirrorTag = "mirror"

// Consumer is the name of the consumer that the host may have.
func (c Creds) Consumer() string { return c.Key }

const pemCertificate = "CERTIFICATE"

// newCreds checks the parts of a credential and reads the rest from the token.
func newCreds(token, seed, ca string) (Creds, error) {
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return Creds{}, fmt.Errorf("the credential's token: %w", err)
	}
	key, err := public(seed)
	if err != nil {
		return Creds{}, fmt.Errorf("the credential's key: %w", err)
	}
	if key != claims.Subject || !nkeys.IsValidPublicUserKey(key) {
		return Creds{}, errors.New("the credential's key is not that of its token")
	}
	if claims.Name == "" {
		return Creds{}, errors.New("the credential's token has no name")
	}
	if err := checkAuthority(ca); err != nil {
		return Creds{}, err
	}
	c := Creds{Token: token, Seed: seed, CA: ca, Name: claims.Name, Key: key, Mirror: claims.Tags.Contains(mirrorTag)}
	if claims.Expires != 0 {
		c.Expires = time.Unix(claims.Expires, 0)
	}
	return c, nil
}

// checkAuthority reports what is wrong with certificates in PEM. None at all are right.
func checkAuthority(ca string) error {
	for rest := []byte(ca); len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != pemCertificate {
			return errors.New("the certificates of the hub's authority are not PEM")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("the certificates of the hub's authority: %w", err)
		}
	}
	return nil
}

// ParseCreds reads a credential's file.
func ParseCreds(text []byte) (Creds, error) {
	if len(text) > MaxCreds {
		return Creds{}, fmt.Errorf("the credential is longer than %d bytes", MaxCreds)
	}
	token, err := block(text, "NATS USER JWT")
	if err != nil {
		return Creds{}, err
	}
	seed, err := block(text, "USER NKEY SEED")
	if err != nil {
		return Creds{}, err
	}
	ca := ""
	if i := bytes.Index(text, []byte("-----BEGIN "+pemCertificate)); i >= 0 {
		ca = string(text[i:])
	}
	return newCreds(token, seed, ca)
}

// block returns what stands alone between the lines that begin and end a block of a name.
func block(text []byte, name string) (string, error) {
	const dashes = "-----" // at least
	var lines []string
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		words := strings.Trim(line, "-")
		edge := strings.HasPrefix(line, dashes) && strings.HasSuffix(line, dashes)
		switch {
		case edge && words == "BEGIN "+name:
			inside = true
		case edge && words == "END "+name && inside && len(lines) == 1:
			return lines[0], nil
		case inside && edge:
			return "", fmt.Errorf("the credential's block %q is not as it was written", name)
		case inside && line != "":
			lines = append(lines, line)
		}
	}
	return "", fmt.Errorf("the credential has no block %q", name)
}

// Text returns the credential's file. It has the form that all programs of NATS read.
func (c Creds) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The credential of %s. Who has this file is that host to the hub: keep it secret.\n", c.Name)
	fmt.Fprintf(&b, "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n", c.Token)
	fmt.Fprintf(&b, "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", c.Seed)
	if c.CA != "" {
		fmt.Fprintf(&b, "\n# The hub's certificate is checked by this one.\n%s", c.CA)
	}
	return b.Bytes()
}
