package fetch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"

	"github.com/voipbl/voipbl/internal/shownurl"
)

// maxSecret is the longest secret in bytes; keys and passwords of lists have up to 100.
const maxSecret = 4 << 10

// ReadSecret reads a file of one line that nobody but its owner may read.
func ReadSecret(path string) (string, error) {
	file, info, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	secret := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", readError(path, err)
	case info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("others than its owner may read or write it (mode %04o)", info.Mode().Perm())
	case len(text) > maxSecret:
		err = fmt.Errorf("longer than %d bytes", maxSecret)
	case secret == "":
		err = errors.New("it is empty")
	case strings.ContainsFunc(secret, func(c rune) bool { return c < ' ' || c > '~' }):
		err = errors.New("more than one line, or a character that is not ASCII")
	default:
		return secret, nil
	}
	return "", &fetchError{Object: path, Reason: ReasonSecret, Err: err}
}

// SecretFile is the error for a secret that cannot be read, as that of a feed.
func SecretFile(feed, path string, err error) error {
	var e *fetchError
	if errors.As(err, &e) && (e.Reason == ReasonAbsent || e.Reason == ReasonUnreadable) {
		why := e.Err
		if errors.Is(why, fs.ErrNotExist) {
			why = errors.New("there is no such file")
		}
		return &fetchError{Feed: feed, Object: path, Reason: ReasonSecret, Err: why}
	}
	return err
}

// A Secret is what a server wants to know and nobody else may see. The zero value is none.
type Secret struct{ text string }

// NewSecret returns the secret of that text.
func NewSecret(text string) Secret { return Secret{text} }

// In puts the secret into a URL, in place of mark.
func (s Secret) In(u, mark string) string {
	path, query, asked := strings.Cut(u, "?")
	path = strings.ReplaceAll(path, mark, url.PathEscape(s.text))
	if asked {
		path += "?" + strings.ReplaceAll(query, mark, url.QueryEscape(s.text))
	}
	return path
}

// Into puts the secret into a text, in place of mark.
func (s Secret) Into(text, mark string) string { return strings.ReplaceAll(text, mark, s.text) }

// hide hides the secret in a text that is shown or kept.
func (s Secret) hide(text string) string {
	if s.text == "" {
		return text
	}
	for _, form := range []string{s.text, url.PathEscape(s.text), url.QueryEscape(s.text)} {
		text = strings.ReplaceAll(text, form, shownurl.Hidden)
	}
	return text
}
