package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	year = 365 * 24 * time.Hour

	// authorityLife: hosts learn another authority only by another join file, so it outlives the
	// machines.
	authorityLife = 30 * year

	// serverLife: every change of the operator's file ("voipbl fleet init", "add", "revoke") makes a
	// certificate anew whose time is half over. For the rest [Operator.Ends] says when to tell the
	// operator.
	serverLife = 10 * year

	// early: a host whose clock is late takes the certificates all the same.
	early = 7 * 24 * time.Hour

	// DefaultPort is NATS'.
	DefaultPort = 4222

	maxHubs = 8
)

// TLS is the server's certificate. Its files are either made from this value or the operator's own.
type TLS struct {
	Authority    string `json:"authority,omitempty"`     // PEM; none: one that every system knows
	AuthorityKey string `json:"authority_key,omitempty"` // PEM; none: the operator's own files
	Certificate  string `json:"certificate,omitempty"`   // PEM
	Key          string `json:"key,omitempty"`           // PEM

	// The operator's own files, in place of the two above.
	CertificateFile string `json:"certificate_file,omitempty"`
	KeyFile         string `json:"key_file,omitempty"`

	// Made is what the fleet had made for itself before the operator gave those files: the hosts that joined
	// until then know no other authority.
	Made *TLS `json:"made,omitempty"`
}

// Own reports whether the operator has given files of their own.
func (t TLS) Own() bool { return t.CertificateFile != "" }

// Given is a certificate in files that the operator renews. authority is PEM, or empty if every
// system knows who signed it.
func Given(certificateFile, keyFile, authority string) (TLS, error) {
	t := TLS{Authority: authority, CertificateFile: certificateFile, KeyFile: keyFile}
	return t, t.check()
}

// Give has the server use files of the operator's own. What the fleet has made is kept for [Operator.TakeBack].
func (o *Operator) Give(given TLS) {
	given.Made = o.TLS.Made
	if !o.TLS.Own() {
		given.Made = new(o.TLS)
	}
	o.TLS = given
}

// TakeBack has the server use the certificate again that the fleet made for itself; [Operator.SetHubs] makes
// one if there is none.
func (o *Operator) TakeBack() {
	switch {
	case !o.TLS.Own():
	case o.TLS.Made != nil:
		o.TLS = *o.TLS.Made
	default:
		o.TLS = TLS{}
	}
}

// Knows reports whether a server with this certificate, and those that follow it, is admitted by a host that knows
// an authority (PEM; none: those of the system) and reaches it by any of the hubs. The error says why not.
func (o *Operator) Knows(authority string, chain [][]byte, now time.Time) error {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	how := x509.VerifyOptions{CurrentTime: now, Intermediates: x509.NewCertPool()}
	if authority != "" {
		how.Roots = x509.NewCertPool()
		how.Roots.AppendCertsFromPEM([]byte(authority))
	}
	for _, der := range chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			how.Intermediates.AddCert(c)
		}
	}
	for _, h := range o.Hubs {
		how.DNSName = hostOf(h)
		if _, err := leaf.Verify(how); err != nil {
			return err
		}
	}
	return nil
}

func (t TLS) check() error {
	if err := checkAuthority(t.Authority); err != nil {
		return err
	}
	if t.Own() {
		if t.KeyFile == "" || t.Certificate != "" || t.Key != "" || t.AuthorityKey != "" {
			return errors.New("the server's certificate is partly a file of the operator's own")
		}
		if t.Made != nil {
			return t.Made.check()
		}
		return nil
	}
	if _, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key)); err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	if _, err := tls.X509KeyPair([]byte(t.Authority), []byte(t.AuthorityKey)); err != nil {
		return fmt.Errorf("the authority's certificate: %w", err)
	}
	return nil
}

// hubAddresses completes HOST[:PORT] by the default port.
func hubAddresses(hubs []string) ([]string, error) {
	if len(hubs) == 0 || len(hubs) > maxHubs {
		return nil, fmt.Errorf("%d hubs: 1 to %d are possible", len(hubs), maxHubs)
	}
	var addresses []string
	for _, h := range hubs {
		a, err := hubAddress(h)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	if first := portOf(addresses[0]); slices.ContainsFunc(addresses, func(a string) bool { return portOf(a) != first }) {
		return nil, errors.New("the hubs have several ports, and the server listens at one")
	}
	return addresses, nil
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// hostOf returns the host of HOST:PORT or [ADDRESS]:PORT.
func hostOf(address string) string {
	host := address[:strings.LastIndexByte(address, ':')]
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func hubAddress(hub string) (string, error) {
	complete := hub
	// An IPv6 address may stand without brackets if no port follows.
	if a, err := netip.ParseAddr(hub); err == nil && a.Is6() {
		complete = "[" + hub + "]"
	}
	if strings.LastIndexByte(complete, ':') <= strings.LastIndexByte(complete, ']') {
		complete += ":" + strconv.Itoa(DefaultPort)
	}
	host, port := hostOf(complete), portOf(complete)
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return "", fmt.Errorf("hub %q: %q is no port", hub, port)
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil && (a.Zone() != "" || a.IsUnspecified()):
		return "", fmt.Errorf("hub %q: hosts cannot reach that address", hub)
	case err == nil && a.Is6():
		return "[" + a.String() + "]:" + port, nil
	case err == nil && complete[0] != '[':
		return a.String() + ":" + port, nil
	case complete[0] == '[' || !isHostName(host):
		return "", fmt.Errorf("hub %q: neither an address nor a name of a host", hub)
	}
	return strings.ToLower(host) + ":" + port, nil
}

// isHostName reports whether a text can be a name in DNS.
func isHostName(name string) bool {
	const longest, longestLabel = 253, 63
	if len(name) > longest {
		return false
	}
	labels := strings.Split(name, ".")
	// One whose last label is digits is a mistyped address.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return false
	}
	return !slices.ContainsFunc(labels, func(label string) bool {
		return label == "" || len(label) > longestLabel || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
	})
}

// renewed returns certificates for a server at these addresses: t itself if that has more than half of
// its time left and is for them.
func (t TLS) renewed(addresses []string, now time.Time) (TLS, error) {
	if t.Own() {
		return t, nil
	}
	if t.Authority == "" {
		authority, key, err := issue(x509.Certificate{
			Subject: pkix.Name{CommonName: "voipbl fleet"}, NotAfter: now.Add(authorityLife),
			IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		}, now, nil, nil)
		if err != nil {
			return TLS{}, err
		}
		t = TLS{Authority: authority, AuthorityKey: key}
	}
	var err error
	t.Certificate, t.Key, err = t.serves(t.Certificate, t.Key, addresses, "voipbl fleet hub", now)
	return t, err
}

// serves returns a certificate of the authority's for a server at these addresses, and its key: what it has if
// that has more than half of its time left and is for them.
func (t TLS) serves(has, hasKey string, addresses []string, name string, now time.Time) (certificate, key string, err error) {
	var wanted x509.Certificate
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(hostOf(a)); err == nil {
			wanted.IPAddresses = append(wanted.IPAddresses, ip.AsSlice())
		} else {
			wanted.DNSNames = append(wanted.DNSNames, hostOf(a))
		}
	}
	// The keeper and the operator's commands run on the hub itself, which may not reach its own outer address.
	for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		wanted.IPAddresses = append(wanted.IPAddresses, a.AsSlice())
	}
	if has != "" {
		had, err := parseCertificate(has)
		if err != nil {
			return "", "", err
		}
		if sameNames(had, &wanted) && now.Before(had.NotAfter.Add(-serverLife/2)) {
			return has, hasKey, nil
		}
	}
	pair, err := tls.X509KeyPair([]byte(t.Authority), []byte(t.AuthorityKey))
	if err != nil {
		return "", "", err
	}
	authority, err := parseCertificate(t.Authority)
	if err != nil {
		return "", "", err
	}
	ends := now.Add(serverLife)
	if ends.After(authority.NotAfter) {
		ends = authority.NotAfter
	}
	wanted.Subject, wanted.NotAfter = pkix.Name{CommonName: name}, ends
	wanted.KeyUsage, wanted.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return issue(wanted, now, authority, pair.PrivateKey)
}

// sameNames reports whether two certificates are for the same names and addresses.
func sameNames(a, b *x509.Certificate) bool {
	return slices.Equal(a.DNSNames, b.DNSNames) && fmt.Sprint(a.IPAddresses) == fmt.Sprint(b.IPAddresses)
}

// issue makes a key and its certificate, signed by an authority or, without one, by itself. Both are
// PEM.
func issue(c x509.Certificate, now time.Time, authority *x509.Certificate, signer any) (certificate, key string, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	const serialBits = 120
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits)); err != nil {
		return "", "", err
	}
	c.NotBefore, c.BasicConstraintsValid = now.Add(-early), true
	if authority == nil {
		authority, signer = &c, own
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, authority, &own.PublicKey, signer)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return "", "", err
	}
	text := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return text(pemCertificate, der), text("PRIVATE KEY", private), nil
}

func parseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("a certificate is not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// Ends returns when the first of the certificates in the operator's file ends: no host connects from
// then on. It is zero if the file has none, but the operator's own files.
func (o *Operator) Ends() (time.Time, error) {
	if o.TLS.Own() {
		return time.Time{}, nil
	}
	authority, err := parseCertificate(o.TLS.Authority)
	if err != nil {
		return time.Time{}, err
	}
	server, err := parseCertificate(o.TLS.Certificate)
	if err != nil {
		return time.Time{}, err
	}
	if authority.NotAfter.Before(server.NotAfter) {
		return authority.NotAfter, nil
	}
	return server.NotAfter, nil
}
