package feeds

import (
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// requestFor is the request for a feed's list, with the secret that its server wants to know.
func requestFor(f config.Feed) (fetch.Request, error) {
	r := fetch.Request{Feed: f.Name, URL: string(f.URL), Insecure: f.Insecure, Headers: f.Access.Headers, User: f.Access.User}
	if f.Access.SecretFile == "" {
		return r, nil
	}
	text, err := fetch.ReadSecret(f.Access.SecretFile)
	if err != nil {
		return r, fetch.SecretFile(f.Name, f.Access.SecretFile, err)
	}
	r.Secret = fetch.NewSecret(text)
	r.URL = r.Secret.In(r.URL, config.Secret)
	r.Headers = make([]string, len(f.Access.Headers))
	for i, h := range f.Access.Headers {
		r.Headers[i] = r.Secret.Into(h, config.Secret)
	}
	return r, nil
}
