package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet"
)

// version of the operator's file.
const version = 1

// MaxOperator is how long that file can be.
const MaxOperator = 32 << 20

// Names of the users on the hub. No host can have them, since these lack a "_".
const (
	keeperName = "keeper"
	adminName  = "admin"
	systemName = "system"
)

// forGood is until when a key is revoked. It is no present time: a key whose credential was signed
// while the clock was ahead would not be revoked by that.
var forGood = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// Operator is all that the operator of a hub keeps, in one file that only root reads.
type Operator struct {
	Version int      `json:"version"`
	Hubs    []string `json:"hubs"` // HOST:PORT, as hosts reach the hub

	// Private keys ("seeds").
	Key     string  `json:"operator"`
	System  Account `json:"system"`
	Streams Account `json:"streams"`
	Members Account `json:"members"`
	Signer  string  `json:"signer"` // signs hosts, and can give them only the rights of hosts
	Keeper  string  `json:"keeper"` // users on the hub
	Admin   string  `json:"admin"`
	Asker   string  `json:"asker"`

	// Signed is Key's credential, by itself.
	Signed string `json:"signed"`

	// DocumentKey verifies the operator's document: see package fleet/document. The key that signs it is
	// not on the hub. "" if there is none.
	DocumentKey string `json:"document_key,omitempty"`

	// Published is the serial of the document that was published last: the hub may lose it.
	Published uint64 `json:"published,omitempty"`

	TLS   TLS    `json:"tls"`
	Hosts []Host `json:"hosts"`

	// Strangers are public keys that are revoked and of which Hosts knows nothing, such as of a host that
	// was added after the copy was made that this file comes from.
	Strangers []string `json:"strangers,omitempty"`

	Relays    []Relay `json:"relays,omitempty"`     // by site
	RelayPort int     `json:"relay_port,omitempty"` // where the hub takes them; 0: nowhere
	Bare      Bare    `json:"bare,omitzero"`
}

// Account is a key of an account, and the account as it was signed last.
type Account struct {
	Key    string `json:"key"`
	Signed string `json:"signed"`
}

// Host is a credential that was given to a host. A host may have had several.
type Host struct {
	Name    fleet.Name `json:"name"`
	Mirror  bool       `json:"mirror,omitempty"` // it fetches lists for all
	Key     string     `json:"key"`              // public
	Added   time.Time  `json:"added"`
	Revoked time.Time  `json:"revoked,omitzero"`
}

// New makes the keys and certificates of a new fleet.
func New(hubs []string, now time.Time) (*Operator, error) {
	o := &Operator{Version: version}
	for _, k := range o.keys() {
		pair, err := nkeys.CreatePair(k.kind)
		if err != nil {
			return nil, err
		}
		seed, err := pair.Seed()
		if err != nil {
			return nil, err
		}
		*k.seed = string(seed)
	}
	if err := o.SetHubs(hubs, now); err != nil {
		return nil, err
	}
	return o, o.sign()
}

// key is one of an operator's keys.
type key struct {
	name string
	seed *string
	kind nkeys.PrefixByte
}

func (o *Operator) keys() []key {
	return []key{
		{"operator", &o.Key, nkeys.PrefixByteOperator},
		{"system", &o.System.Key, nkeys.PrefixByteAccount},
		{"streams", &o.Streams.Key, nkeys.PrefixByteAccount},
		{"members", &o.Members.Key, nkeys.PrefixByteAccount},
		{"signer", &o.Signer, nkeys.PrefixByteAccount},
		{"keeper", &o.Keeper, nkeys.PrefixByteUser},
		{"admin", &o.Admin, nkeys.PrefixByteUser},
		{"asker", &o.Asker, nkeys.PrefixByteUser},
	}
}

// ReadOperator reads an operator's file.
func ReadOperator(text []byte) (*Operator, error) {
	var o Operator
	if err := strict(text, MaxOperator, &o); err != nil {
		return nil, err
	}
	if o.Version != version {
		return nil, fmt.Errorf("version %d, and this program knows version %d", o.Version, version)
	}
	for _, k := range o.keys() {
		kind, _, err := nkeys.DecodeSeed([]byte(*k.seed))
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.name, err)
		}
		if kind != k.kind {
			return nil, fmt.Errorf("key %q is of another kind", k.name)
		}
	}
	if _, err := config.ParseDocumentKey(o.DocumentKey); err != nil {
		return nil, fmt.Errorf("document_key: %w", err)
	}
	if _, err := hubAddresses(o.Hubs); err != nil {
		return nil, err
	}
	if err := o.TLS.check(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, h := range o.Hosts {
		if _, err := fleet.ParseName(string(h.Name)); err != nil {
			return nil, err
		}
		if !nkeys.IsValidPublicUserKey(h.Key) || seen[h.Key] {
			return nil, fmt.Errorf("host %s: the key %q is not valid, or there twice", h.Name, h.Key)
		}
		seen[h.Key] = true
	}
	for _, k := range o.Strangers {
		if !nkeys.IsValidPublicUserKey(k) || seen[k] {
			return nil, fmt.Errorf("strangers: the key %q is not valid, or there twice", k)
		}
		seen[k] = true
	}
	o.cutFormer()
	o.noteKeys()
	if err := o.checkRelays(); err != nil {
		return nil, err
	}
	return &o, o.sign()
}

// strict decodes one JSON value that has no unknown fields and nothing behind it.
func strict(text []byte, most int, value any) error {
	if len(text) > most {
		return fmt.Errorf("longer than %d bytes", most)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(value); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// Text returns the operator's file.
func (o *Operator) Text() ([]byte, error) {
	if err := o.sign(); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// SetHubs sets the names and addresses under which hosts reach the hub, each with an optional port. The
// server's certificate is made anew if it is for others, or its time is half over.
func (o *Operator) SetHubs(hubs []string, now time.Time) error {
	addresses, err := hubAddresses(hubs)
	if err != nil {
		return err
	}
	tls, err := o.TLS.renewed(addresses, now)
	if err != nil {
		return err
	}
	o.Hubs, o.TLS = addresses, tls
	return nil
}

// URLs returns the hubs as hosts need them.
func (o *Operator) URLs() []string {
	urls := make([]string, len(o.Hubs))
	for i, h := range o.Hubs {
		urls[i] = "tls://" + h
	}
	return urls
}

// Active returns the host's credential that is not revoked, if there is one.
func (o *Operator) Active(name fleet.Name) (Host, bool) {
	i := slices.IndexFunc(o.Hosts, func(h Host) bool { return h.Name == name && h.Revoked.IsZero() })
	if i < 0 {
		return Host{}, false
	}
	return o.Hosts[i], true
}

// Add makes a credential for a host. The server need not be told. Earlier ones of that host stay
// valid.
func (o *Operator) Add(name fleet.Name, now time.Time) (Creds, error) {
	return o.add(Host{Name: name}, o.Signer, now)
}

// AddMirror is Add for a host that fetches lists for all hosts of the fleet, and may put them at the hub.
func (o *Operator) AddMirror(name fleet.Name, now time.Time) (Creds, error) {
	signer, err := o.mirrorSigner()
	if err != nil {
		return Creds{}, err
	}
	return o.add(Host{Name: name, Mirror: true}, signer, now)
}

// mirrorSigner is the key that signs mirrors, and can give them only the rights of mirrors. It follows from
// that which signs hosts, so that the operator's file has one key less to lose.
func (o *Operator) mirrorSigner() (seed string, err error) {
	sum := sha256.Sum256([]byte("voipbl mirrors " + o.Signer))
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteAccount, sum[:])
	if err != nil {
		return "", err
	}
	text, err := pair.Seed()
	return string(text), err
}

func (o *Operator) add(h Host, signer string, now time.Time) (Creds, error) {
	name := h.Name
	if _, err := fleet.ParseName(string(name)); err != nil {
		return Creds{}, err
	}
	account, err := public(o.Members.Key)
	if err != nil {
		return Creds{}, err
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		return Creds{}, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return Creds{}, err
	}
	key, err := pair.PublicKey()
	if err != nil {
		return Creds{}, err
	}
	claims := jwt.NewUserClaims(key)
	claims.Name, claims.IssuerAccount = string(name), account
	claims.SetScoped(true) // the rights are those of the signing key
	if h.Mirror {
		claims.Tags.Add(mirrorTag) // so that the host knows
	}
	c, err := o.creds(claims, string(seed), signer)
	if err != nil {
		return Creds{}, err
	}
	h.Key, h.Added = claims.Subject, now.UTC().Truncate(time.Second)
	o.Hosts = append(o.Hosts, h)
	return c, nil
}

// Revoke takes all credentials of a host but for those in keep (public keys) from it, for good, and
// returns their public keys. The server has to be told ([Operator.Server]). A relay that lets them pass is cut
// off until it has another credential ([Operator.SetRelay]).
func (o *Operator) Revoke(name fleet.Name, now time.Time, keep ...string) (revoked []string) {
	for i, h := range o.Hosts {
		if h.Name == name && h.Revoked.IsZero() && !slices.Contains(keep, h.Key) {
			o.Hosts[i].Revoked = now.UTC().Truncate(time.Second)
			revoked = append(revoked, h.Key)
			o.cutRelays(h.Key)
		}
	}
	return revoked
}

// Revoked returns the public keys of all credentials of a host that were revoked, now or earlier.
func (o *Operator) Revoked(name fleet.Name) (keys []string) {
	for _, h := range o.Hosts {
		if h.Name == name && !h.Revoked.IsZero() {
			keys = append(keys, h.Key)
		}
	}
	return keys
}

// WasMirror reports whether a host has, or had, a mirror's key.
func (o *Operator) WasMirror(name fleet.Name) bool {
	return slices.ContainsFunc(o.Hosts, func(h Host) bool { return h.Name == name && h.Mirror })
}

// Gone are the hosts of which all keys are revoked, by name: nothing of them is to stay at the hub.
func (o *Operator) Gone() (names []fleet.Name) {
	for _, h := range o.Hosts {
		if _, active := o.Active(h.Name); !active {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// KeeperCreds are for the process that keeps the stream.
func (o *Operator) KeeperCreds() (Creds, error) {
	return o.ownUser(keeperName, o.Keeper, o.Streams.Key, keeperRights())
}

// AdminCreds are for emptying slots.
func (o *Operator) AdminCreds() (Creds, error) {
	return o.ownUser(adminName, o.Admin, o.Streams.Key, adminRights())
}

// SystemCreds are for asking the server about itself.
func (o *Operator) SystemCreds() (Creds, error) {
	return o.ownUser(systemName, o.Asker, o.System.Key, systemRights())
}

func (o *Operator) ownUser(name, seed, account string, rights jwt.UserPermissionLimits) (Creds, error) {
	key, err := public(seed)
	if err != nil {
		return Creds{}, err
	}
	claims := jwt.NewUserClaims(key)
	claims.Name, claims.UserPermissionLimits = name, rights
	return o.creds(claims, seed, account)
}

func (o *Operator) creds(claims *jwt.UserClaims, seed, signer string) (Creds, error) {
	pair, err := nkeys.FromSeed([]byte(signer))
	if err != nil {
		return Creds{}, err
	}
	token, err := claims.Encode(pair)
	if err != nil {
		return Creds{}, err
	}
	return newCreds(token, seed, o.TLS.Authority)
}

// HostsAccount is the public key of the account that all hosts are in.
func (o *Operator) HostsAccount() (string, error) { return public(o.Members.Key) }

// StreamsAccount is the public key of the account that the streams, and their keeper, are in.
func (o *Operator) StreamsAccount() (string, error) { return public(o.Streams.Key) }

// sign signs what differs from what was signed last: the operator and the accounts. So the same
// operator gives the same text, and another version of this program gives hosts its rights.
func (o *Operator) sign() error {
	keys := make(map[string]string)
	for _, k := range o.keys() {
		p, err := public(*k.seed)
		if err != nil {
			return fmt.Errorf("key %q: %w", k.name, err)
		}
		keys[k.name] = p
	}
	var revoked []string
	for _, h := range o.Hosts {
		if !h.Revoked.IsZero() {
			revoked = append(revoked, h.Key)
		}
	}
	revoked = append(revoked, o.Strangers...)
	seed, err := o.mirrorSigner()
	if err != nil {
		return err
	}
	mirrors, err := public(seed)
	if err != nil {
		return err
	}
	self := jwt.NewOperatorClaims(keys["operator"])
	self.Name, self.SystemAccount = "voipbl", keys["system"]
	type signing struct {
		claims jwt.Claims
		signed *string
	}
	streams := streamsAccount(keys["streams"], keys["members"])
	all := []signing{
		{self, &o.Signed},
		{systemAccount(keys["system"], keys["members"]), &o.System.Signed},
		{streams, &o.Streams.Signed},
		{hostsAccount(keys["streams"], keys["members"], keys["signer"], mirrors, revoked), &o.Members.Signed},
	}
	for i := range o.Relays {
		r := &o.Relays[i]
		account, has := r.AccountKey()
		if !has {
			continue
		}
		claims, says := o.relayAccount(*r, account, keys["streams"])
		importSpoken(streams, account, says)
		all = append(all, signing{claims, &r.Account.Signed})
	}
	for _, s := range all {
		token, err := signedBy(o.Key, s.claims, *s.signed)
		if err != nil {
			return err
		}
		*s.signed = token
	}
	if len(o.Relays) == 0 {
		return nil
	}
	if o.Bare.System, err = bare(o.Key, o.System.Signed, o.Bare.System); err == nil {
		o.Bare.Members, err = bare(o.Key, o.Members.Signed, o.Bare.Members)
	}
	return err
}

// signedBy returns claims signed by a key, or what they were signed as before if that says the same.
func signedBy(seed string, claims jwt.Claims, before string) (string, error) {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return "", err
	}
	token, err := claims.Encode(pair) // also sets when and by whom they are signed
	if err != nil {
		return "", err
	}
	if same(token, before) {
		return before, nil
	}
	return token, nil
}

// same reports whether two tokens say the same, but for when they were signed.
func same(a, b string) bool {
	plain := func(token string) string {
		claims, err := jwt.Decode(token)
		if err != nil {
			return ""
		}
		claims.Claims().IssuedAt, claims.Claims().ID = 0, ""
		text, err := json.Marshal(claims)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return plain(b) != "" && plain(a) == plain(b)
}

// public returns the public key of a seed.
func public(seed string) (string, error) {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}
