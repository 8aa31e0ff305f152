package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet"
)

// joinVersion is that of join files.
const joinVersion = 1

// MaxJoin is how long a join file can be.
const MaxJoin = 2 * MaxCreds

// Join is the file by which a host joins the fleet.
type Join struct {
	Version int        `json:"voipbl_fleet"`
	Name    fleet.Name `json:"name"`
	Hubs    []string   `json:"hubs"` // URLs
	Creds   string     `json:"creds"`
	Key     string     `json:"key,omitempty"` // for fleet.key: [Operator.DocumentKey]
}

// JoinFile returns the join file of a host with a credential of this fleet.
func (o *Operator) JoinFile(c Creds) ([]byte, error) {
	text, err := json.MarshalIndent(Join{Version: joinVersion, Name: fleet.Name(c.Name), Hubs: o.reachedBy(fleet.Name(c.Name)), Creds: string(c.Text()), Key: o.DocumentKey}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// reachedBy are the URLs by which a host reaches the hub: by the relay of its site first, if there is one.
func (o *Operator) reachedBy(name fleet.Name) (urls []string) {
	if r, ok := o.RelayOf(name.Site()); ok {
		for _, a := range r.Addresses {
			urls = append(urls, "tls://"+a)
		}
	}
	urls = append(urls, o.URLs()...)
	return urls[:min(len(urls), maxHubs)]
}

// ParseJoin reads a join file, with the credential in it.
func ParseJoin(text []byte) (Join, Creds, error) {
	// Another version may have other fields, so its number is read first.
	var head struct {
		Version int `json:"voipbl_fleet"`
	}
	if len(text) > MaxJoin {
		return Join{}, Creds{}, fmt.Errorf("it is none, since it has more than %d bytes", MaxJoin)
	}
	if err := json.Unmarshal(text, &head); err != nil || head.Version == 0 {
		return Join{}, Creds{}, errors.New("it is none")
	}
	if head.Version != joinVersion {
		return Join{}, Creds{}, fmt.Errorf("a join file of version %d, and this program knows version %d", head.Version, joinVersion)
	}
	var j Join
	if err := strict(text, MaxJoin, &j); err != nil {
		return Join{}, Creds{}, fmt.Errorf("the join file: %w", err)
	}
	c, err := ParseCreds([]byte(j.Creds))
	if err != nil {
		return Join{}, Creds{}, err
	}
	if _, err := fleet.ParseName(c.Name); err != nil {
		return Join{}, Creds{}, fmt.Errorf("the credential: %w", err)
	}
	if c.Name != string(j.Name) {
		return Join{}, Creds{}, fmt.Errorf("the join file is for %q, and its credential for %q", j.Name, c.Name)
	}
	if _, err := config.ParseDocumentKey(j.Key); err != nil {
		return Join{}, Creds{}, fmt.Errorf("the join file: key: %w", err)
	}
	if len(j.Hubs) == 0 || len(j.Hubs) > maxHubs {
		return Join{}, Creds{}, fmt.Errorf("the join file has %d hubs: 1 to %d are possible", len(j.Hubs), maxHubs)
	}
	for _, h := range j.Hubs {
		u, err := url.Parse(h)
		if err != nil || u.Scheme != "tls" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			return Join{}, Creds{}, fmt.Errorf("the join file's hub %q is no tls://HOST:PORT", h)
		}
		if _, err := hubAddress(u.Host); err != nil {
			return Join{}, Creds{}, fmt.Errorf("the join file: %w", err)
		}
	}
	return j, c, nil
}
