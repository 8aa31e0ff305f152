package testnats

import (
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
