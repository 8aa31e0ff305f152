package keys

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
)

const (
	// DefaultRelayPort is the hub's for relays, NATS' for what it calls leaf nodes.
	DefaultRelayPort = 7422

	// MaxRelayed is how many hosts a relay can have: its credential names each of them, with what it may do.
	MaxRelayed = 500

	// relayedSubs is how many subscriptions a relay has at the hub for each host, and relaySubs those of its own:
	// more than it needs, and few enough that a relay which makes any number does not fill the hub's memory.
	relayedSubs = 2 * hostSubs
	relaySubs   = 1000

	// relayAgain is after how long a relay that has lost the hub tries it again.
	relayAgain = time.Second
)

// Relay is a server between the hub and the hosts of one site, which connect with it as with the hub. The hub
// admits it by a credential that names its hosts, for others its server lets nothing pass; and takes from its
// account nothing by the names of others.
type Relay struct {
	Site      string   `json:"site"`
	Addresses []string `json:"addresses"` // HOST:PORT, as its hosts reach it
	Hubs      []string `json:"hubs"`      // URLs by which it reaches the hub, as its files name them: see [Operator.Moved]
	Account   Account  `json:"account"`   // its own at the hub

	// Hosts are those for whom the account lets it speak, Keys those for which it may make a reader each, and whether
	// one of them is a mirror. They stay when it is cut off: nobody is admitted to the account then, and each change of
	// them costs all hosts half a minute, in which they hear nothing new. See [Operator.relayAccount].
	Hosts  []fleet.Name `json:"hosts,omitempty"`
	Keys   []string     `json:"keys,omitempty"`
	Mirror bool         `json:"mirror,omitempty"`

	// Key is the public key of the credential, Seed the private one, Signed the credential as it was signed last.
	// None: the relay is cut off until it has another one ([Operator.SetRelay]).
	Key    string `json:"key,omitempty"`
	Seed   string `json:"seed,omitempty"`
	Signed string `json:"signed,omitempty"`

	Certificate    string `json:"certificate"`     // PEM
	CertificateKey string `json:"certificate_key"` // PEM
}

// CutOff reports whether the hub refuses the relay's former credential, and it has had no other one since.
func (r Relay) CutOff() bool { return r.Key == "" }

// AccountKey is the public key of the account that the relay has at the hub; one from before there were such has none.
func (r Relay) AccountKey() (key string, has bool) {
	key, err := public(r.Account.Key)
	return key, err == nil
}

// named is the relay's credential, as a question for whether it names a key of a host.
func (r Relay) named() func(key string) bool {
	claims, err := jwt.DecodeUserClaims(r.Signed)
	if err != nil {
		return func(string) bool { return false }
	}
	subjects := make(map[string]bool, len(claims.Pub.Allow))
	for _, s := range claims.Pub.Allow {
		subjects[s] = true
	}
	return func(key string) bool { return subjects[createRequest(key)] }
}

// Moved reports whether the hub is to be reached otherwise than the files of the relay say.
func (o *Operator) Moved(r Relay) bool { return !slices.Equal(r.Hubs, o.relayHubs()) }

// relayHubs are the URLs by which relays reach the hub.
func (o *Operator) relayHubs() (urls []string) {
	for _, h := range o.Hubs {
		urls = append(urls, "tls://"+strings.TrimSuffix(h, portOf(h))+strconv.Itoa(o.RelayPort))
	}
	return urls
}

// RelayOf returns the relay of a site, if it has one.
func (o *Operator) RelayOf(site string) (Relay, bool) {
	if i := o.relayAt(site); i >= 0 {
		return o.Relays[i], true
	}
	return Relay{}, false
}

func (o *Operator) relayAt(site string) int {
	return slices.IndexFunc(o.Relays, func(r Relay) bool { return r.Site == site })
}

// SetRelay makes the relay of a site, or another credential for it if its hosts are others than before or the
// former one is revoked. addresses are those by which its hosts reach it, each with an optional port; none: as
// before.
func (o *Operator) SetRelay(site string, addresses []string, now time.Time) (Relay, error) {
	if !fleet.IsSite(site) {
		return Relay{}, fmt.Errorf("%q is no name of a site", site)
	}
	if o.TLS.Own() {
		return Relay{}, errors.New("the hub has a certificate of the operator's own, so the fleet can make none for a relay that hosts admit")
	}
	r, _ := o.RelayOf(site)
	r.Site = site
	if len(addresses) > 0 {
		var err error
		if r.Addresses, err = hubAddresses(addresses); err != nil {
			return Relay{}, err
		}
	}
	if len(r.Addresses) == 0 {
		return Relay{}, errors.New("by which name or address the hosts of the site reach the relay is not known")
	}
	var err error
	if r.Certificate, r.CertificateKey, err = o.TLS.serves(r.Certificate, r.CertificateKey, r.Addresses, "voipbl fleet relay", now); err != nil {
		return Relay{}, err
	}
	if r.Key == "" {
		if r.Seed, err = newSeed(nkeys.CreateUser); err != nil {
			return Relay{}, err
		}
		if r.Key, err = public(r.Seed); err != nil {
			return Relay{}, err
		}
	}
	if r.Account.Key == "" {
		if r.Account.Key, err = newSeed(nkeys.CreateAccount); err != nil {
			return Relay{}, err
		}
	}
	claims := jwt.NewUserClaims(r.Key)
	claims.Name = relayName(site)
	if claims.UserPermissionLimits, err = o.relayRights(site); err != nil {
		return Relay{}, err
	}
	if r.Signed, err = signedBy(r.Account.Key, claims, r.Signed); err != nil {
		return Relay{}, err
	}
	if o.RelayPort == 0 {
		o.RelayPort = DefaultRelayPort
	}
	r.Hubs = o.relayHubs()
	r.Hosts, r.Keys, r.Mirror = o.Relayed(site), nil, false
	for _, h := range o.Hosts {
		if h.Name.Site() == site && h.Revoked.IsZero() {
			r.Keys = append(r.Keys, h.Key)
		}
		r.Mirror = r.Mirror || h.Mirror && h.Name.Site() == site && h.Revoked.IsZero()
	}
	i := o.relayAt(site)
	if i < 0 {
		i, o.Relays = len(o.Relays), append(o.Relays, r)
	}
	o.Relays[i] = r
	err = o.sign()
	return o.Relays[i], err
}

// newSeed makes a private key.
func newSeed(create func() (nkeys.KeyPair, error)) (string, error) {
	pair, err := create()
	if err != nil {
		return "", err
	}
	seed, err := pair.Seed()
	return string(seed), err
}

// relayName is what a relay is called at the hub. No host can be called so, since it lacks a "_".
func relayName(site string) string { return "relay-" + site }

// HasRelay reports whether a key is that of a relay's credential.
func (o *Operator) HasRelay(key string) bool {
	return slices.ContainsFunc(o.Relays, func(r Relay) bool { return r.Key == key })
}

// Relayed are the hosts of a site that a relay's credential is to name.
func (o *Operator) Relayed(site string) (names []fleet.Name) {
	for _, h := range o.Hosts {
		if h.Name.Site() == site && h.Revoked.IsZero() && !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
	}
	return names
}

// Unrelayed are the hosts of its site that a relay's credential does not name.
func (o *Operator) Unrelayed(r Relay) (names []string) {
	named := r.named()
	for _, h := range o.Hosts {
		if h.Name.Site() == r.Site && h.Revoked.IsZero() && !named(h.Key) {
			names = append(names, h.Name.String())
		}
	}
	return names
}

// relayRights are those of the hosts of a site together, for a relay and for no host: an honest relay passes on
// what they say only as far as these go. There is one host at least: a credential that names nothing would let all pass.
func (o *Operator) relayRights(site string) (jwt.UserPermissionLimits, error) {
	var publish, listen jwt.StringList
	hosts, mirrors := 0, false
	for _, h := range o.Hosts {
		if h.Name.Site() != site || !h.Revoked.IsZero() {
			continue
		}
		hosts++
		// Appended, since to add one looks for it in all that are there.
		for slot := range fleet.Slots {
			publish = append(publish, fleet.Subject(h.Name, slot))
		}
		publish = append(publish, beat.Subject(h.Name))
		publish = append(publish, consumerRequests(h.Key)...)
		if h.Mirror {
			mirrors = true
		}
		listen.Add(Inbox(h.Name.String()) + ".>")
	}
	switch {
	case hosts == 0:
		return jwt.UserPermissionLimits{}, fmt.Errorf("no host of the site %s is in the fleet", site)
	case hosts > MaxRelayed:
		return jwt.UserPermissionLimits{}, fmt.Errorf("the site %s has %d hosts, and a relay is for %d at most", site, hosts, MaxRelayed)
	}
	if mirrors {
		publish = append(publish, mirrorSubjects()...)
	}
	publish = append(publish, commonRequests()...)
	rights := permit(publish, "")
	rights.Sub.Allow = listen
	rights.Subs = int64(hosts*relayedSubs + relaySubs)
	rights.AllowedConnectionTypes = jwt.StringList{jwt.ConnectionTypeLeafnode}
	return rights, nil
}

// createRequest is that for a consumer of a host with a key.
func createRequest(key string) string { return APIPrefix + ".CONSUMER.CREATE." + Stream + "." + key }

// consumerRequests are those for the consumer of a host with a key.
func consumerRequests(key string) []string {
	return []string{
		createRequest(key),
		APIPrefix + ".CONSUMER.DELETE." + Stream + "." + key,
		APIPrefix + ".CONSUMER.MSG.NEXT." + Stream + "." + key,
	}
}

// cutRelays takes their credentials from the relays whose credential names a key of a host: that key could speak by
// it although it is revoked, since the hub does not see who is behind a relay.
func (o *Operator) cutRelays(key string) {
	for i, r := range o.Relays {
		if !r.CutOff() && r.named()(key) {
			o.cutRelay(i)
		}
	}
}

// cutRelay takes its credential from a relay.
func (o *Operator) cutRelay(i int) {
	r := &o.Relays[i]
	if !r.CutOff() && !slices.Contains(o.Strangers, r.Key) {
		o.Strangers = append(o.Strangers, r.Key)
	}
	r.Key, r.Seed, r.Signed = "", "", ""
}

// CutRelay takes its credential from the relay of a site. The server has to be told.
func (o *Operator) CutRelay(site string) {
	if i := o.relayAt(site); i >= 0 {
		o.cutRelay(i)
	}
}

// RemoveRelay takes away the relay of a site, and its account. The server has to be told, and to have been told
// before that the relay is cut off: it does not end the connections of an account that is gone.
func (o *Operator) RemoveRelay(site string) {
	o.CutRelay(site)
	o.Relays = slices.DeleteFunc(o.Relays, func(r Relay) bool { return r.Site == site })
	if len(o.Relays) == 0 {
		o.Relays, o.RelayPort, o.Bare = nil, 0, Bare{}
	}
}

// cutFormer cuts off the relays of a file from before relays had accounts: their credentials are for that of the hosts.
func (o *Operator) cutFormer() {
	for i, r := range o.Relays {
		if r.Account.Key == "" {
			o.cutRelay(i)
		}
	}
}

// noteKeys notes the keys that credentials of relays name, for a file from before it had them.
func (o *Operator) noteKeys() {
	for i, r := range o.Relays {
		if len(r.Keys) > 0 || r.CutOff() {
			continue
		}
		named := r.named()
		for _, h := range o.Hosts {
			if named(h.Key) {
				o.Relays[i].Keys = append(o.Relays[i].Keys, h.Key)
			}
		}
	}
}

// checkRelays reports what is wrong with the relays of a file.
func (o *Operator) checkRelays() error {
	if o.RelayPort < 0 || o.RelayPort > 65535 || o.RelayPort == 0 && len(o.Relays) > 0 {
		return fmt.Errorf("relay_port: %d is no port", o.RelayPort)
	}
	for i, r := range o.Relays {
		key, err := "", error(nil)
		if r.Seed != "" {
			key, err = public(r.Seed)
		}
		if r.Account.Key != "" || !r.CutOff() {
			if kind, _, wrong := nkeys.DecodeSeed([]byte(r.Account.Key)); wrong != nil || kind != nkeys.PrefixByteAccount {
				err = errors.New("it has no account")
			}
		}
		if err != nil || key != r.Key || key != "" && !IsKey(key) || !fleet.IsSite(r.Site) || o.relayAt(r.Site) != i {
			return fmt.Errorf("the relay of the site %q is not valid, or there twice", r.Site)
		}
		if _, err := hubAddresses(r.Addresses); err != nil {
			return fmt.Errorf("the relay of the site %s: %w", r.Site, err)
		}
	}
	return nil
}

// RelayPlace is what a relay's configuration says of where things are there.
type RelayPlace struct {
	Listen  string // HOST:PORT; "": everywhere, at the port by which its hosts reach it
	Secrets string // the file of [Operator.RelayServer]'s secrets
}

// RelayCreds are those by which the hub admits a relay.
func (o *Operator) RelayCreds(r Relay) (Creds, error) {
	if r.CutOff() {
		return Creds{}, fmt.Errorf("the relay of the site %s is cut off", r.Site)
	}
	return newCreds(r.Signed, r.Seed, o.TLS.Authority)
}

// RelayServer returns the configuration of a relay's nats-server, and the file with its keys: its certificate and
// credential, and the authority by which it knows the hub. The same texts for the same relay. Its accounts
// import and export nothing: what hosts ask for is not to end at the relay, which has no streams.
func (o *Operator) RelayServer(r Relay, p RelayPlace) (config, secrets string, err error) {
	if err := o.sign(); err != nil {
		return "", "", err
	}
	creds, err := o.RelayCreds(r)
	if err != nil {
		return "", "", err
	}
	// One file has all, and each reader takes what it knows: that of the credential takes the first lines that stand
	// alone between two of hyphens, that of certificates the first one as the server's own.
	authority := creds.CA
	creds.CA = ""
	secrets = string(creds.Text()) + "\n" + r.Certificate + r.CertificateKey + authority
	var keys []string
	for _, seed := range []string{o.System.Key, o.Members.Key} {
		key, err := public(seed)
		if err != nil {
			return "", "", err
		}
		keys = append(keys, key)
	}
	if p.Listen == "" {
		p.Listen = "0.0.0.0:" + portOf(r.Addresses[0]) // as Go reads it: IPv6, too
	}
	var hubs []string
	for _, url := range o.relayHubs() {
		hubs = append(hubs, strconv.Quote(url))
	}
	var b lines
	b.line("# Written by voipbl on the hub (voipbl fleet relay %s). It has no secrets: %s has.", r.Site, p.Secrets)
	b.line("")
	b.line("server_name: %q", relayName(r.Site))
	b.line("listen: %q", p.Listen)
	b.limits(p.Secrets, p.Secrets)
	b.line("")
	b.line("leafnodes {")
	b.line("  reconnect: %d", int(relayAgain.Seconds()))
	b.line("  remotes: [ {")
	b.line("    urls: [%s]", strings.Join(hubs, ", "))
	b.line("    account: %q", keys[1])
	b.line("    credentials: %q", p.Secrets)
	b.line("    tls { ca_file: %q, timeout: %d }", p.Secrets, int(handshake.Seconds()))
	b.line("  } ]")
	b.line("}")
	b.line("")
	b.accounts(o.Signed, keys[0], []string{keys[0], keys[1]}, []string{o.Bare.System, o.Bare.Members})
	return b.String(), secrets, nil
}

// Bare are the accounts as relays have them, as they were signed last.
type Bare struct {
	System  string `json:"system,omitempty"`
	Members string `json:"members,omitempty"`
}

// bare is an account as relays have it, signed by the operator.
func bare(operator, signed, before string) (string, error) {
	claims, err := jwt.DecodeAccountClaims(signed)
	if err != nil {
		return "", err
	}
	claims.Imports, claims.Exports, claims.Limits.LeafNodeConn = nil, nil, jwt.NoLimit
	return signedBy(operator, claims, before)
}
