package testnats

import (
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// User is a new user of an account: its token, signed by the account's key (or another one), its private key
// and its public one.
type User struct{ Token, Seed, Key string }

// NewUser makes a user with all rights in the account, unless change takes some away.
func NewUser(t testing.TB, name, signer string, change func(*jwt.UserClaims)) (u User) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair, err := nkeys.CreateUser()
	must(err)
	u.Key, err = pair.PublicKey()
	must(err)
	seed, err := pair.Seed()
	must(err)
	by, err := nkeys.FromSeed([]byte(signer))
	must(err)
	claims := jwt.NewUserClaims(u.Key)
	claims.Name = name
	if change != nil {
		change(claims)
	}
	u.Seed = string(seed)
	u.Token, err = claims.Encode(by)
	must(err)
	return u
}

// Leafs is the text of a server's configuration, with an account in it that leaf nodes may be in, signed by the
// operator.
func Leafs(t testing.TB, text, account, operator string) string {
	t.Helper()
	claims, err := jwt.DecodeAccountClaims(account)
	if err != nil {
		t.Fatal(err)
	}
	claims.Limits.LeafNodeConn = jwt.NoLimit
	by, err := nkeys.FromSeed([]byte(operator))
	if err != nil {
		t.Fatal(err)
	}
	open, err := claims.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(text, account, open, 1)
}
