package enroll

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/problem"
)

// given puts the operator's own certificate in place of the fleet's, or looks at the one that was given before.
// One with which the server does not start, or that hosts do not admit, is refused before anything is written.
func (h *hubRun) given(opts InitOptions, now time.Time) error {
	before := h.op.TLS
	if opts.Cert != "" && len(h.op.Relays) > 0 {
		return (&problem.Problem{Error: "relays know the hub by the fleet's own certificate alone, and there are some: " + h.sitesOfRelays(), Remedy: "keep that certificate, or take the relays away first: \"voipbl fleet relay SITE --remove\""}).Err()
	}
	if opts.Cert != "" {
		authority, err := h.authority(opts, before)
		if err != nil {
			return err
		}
		given, err := keys.Given(opts.Cert, opts.Key, authority)
		if err != nil {
			return (&problem.Problem{Error: err.Error(), Remedy: "give the certificate of the authority (--ca) as PEM"}).Err()
		}
		h.op.Give(given)
	}
	const back = "; \"voipbl fleet init --fleet-cert\" goes back to the fleet's own"
	chain, err := h.pair()
	if err != nil {
		return (&problem.Problem{Error: "the server's certificate cannot be used: " + err.Error(), Remedy: "give the files of a certificate, with its chain, and of its key, as PEM, by their whole names" + back}).Err()
	}
	if err := h.op.Knows(h.op.TLS.Authority, chain, now); err != nil {
		return (&problem.Problem{Error: "hosts would not admit the server by its certificate: " + err.Error(), Remedy: "give one for all names of the hub (" + strings.Join(h.op.Hubs, ", ") + "), and with --ca who has signed it" + back}).Err()
	}
	joined := h.joined()
	if opts.Cert == "" || opts.Force || len(joined) == 0 || h.op.Knows(before.Authority, chain, now) == nil {
		return nil
	}
	return (&problem.Problem{
		Error:  "hosts that have joined do not know who has signed this certificate, and would be cut off: " + strings.Join(joined, ", "),
		Remedy: "with --force, it is used all the same, and each of them needs another join file (\"voipbl fleet add NAME --again\")",
	}).Err()
}

// authority is who has signed the operator's own certificate, as PEM: the one of before unless another is given.
func (h *hubRun) authority(opts InitOptions, before keys.TLS) (string, error) {
	if opts.Authority == "" {
		if before.Own() {
			return before.Authority, nil
		}
		return "", nil
	}
	text, err := ReadPlain(opts.Authority, keys.MaxCreds)
	if err != nil {
		return "", (&problem.Problem{Error: fmt.Sprintf("the authority's certificate cannot be read: %v", err), Remedy: "name its file with --ca, or leave that out if every system knows the authority"}).Err()
	}
	return string(text), nil
}

// pair reads the operator's own certificate and key.
func (h *hubRun) pair() (chain [][]byte, err error) {
	var texts [2][]byte
	for i, name := range []string{h.op.TLS.CertificateFile, h.op.TLS.KeyFile} {
		if !filepath.IsAbs(name) {
			return nil, fmt.Errorf("%s: the server needs a name that begins with /", name)
		}
		// Files of this kind are often links, such as certbot's.
		real, err := filepath.EvalSymlinks(h.path(name))
		if err == nil {
			texts[i], err = ReadPlain(real, keys.MaxCreds)
		}
		if err != nil {
			return nil, err
		}
	}
	pair, err := tls.X509KeyPair(texts[0], texts[1])
	if err == nil && len(pair.Certificate) == 0 {
		err = errors.New("there is no certificate")
	}
	return pair.Certificate, err
}

// givenEnds is when the first certificate of the operator's own ends.
func (h *hubRun) givenEnds() (ends time.Time, err error) {
	chain, err := h.pair()
	if err != nil {
		return ends, err
	}
	for _, one := range chain {
		c, err := x509.ParseCertificate(one)
		if err != nil {
			return ends, err
		}
		if ends.IsZero() || c.NotAfter.Before(ends) {
			ends = c.NotAfter
		}
	}
	return ends, nil
}

// joined are the hosts that may have joined.
func (h *hubRun) joined() (names []string) {
	for _, host := range hosts(h, nil) {
		if host.Revoked.IsZero() {
			names = append(names, host.Name.String())
		}
	}
	return names
}
