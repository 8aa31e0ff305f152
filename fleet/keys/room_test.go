package keys_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/voipbl/voipbl/internal/testnats"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestRoomForOperator: a host that takes all connections that hosts may have keeps the operator, who revokes
// it, from none. The server has the proportions of the real limits, in small.
func TestRoomForOperator(t *testing.T) { testRoomForOperator(t, testnats.Installed(t)) }

func testRoomForOperator(t *testing.T, program testnats.Program) {
	t.Helper()
	testns.Enter(t)
	h := startHub(t, program)
	text := h.config(h.Place)
	account, err := jwt.DecodeAccountClaims(h.op.Members.Signed)
	h.must(err)
	limit := regexp.MustCompile(`max_connections: (\d+)`)
	all, err := strconv.Atoi(limit.FindStringSubmatch(text)[1])
	h.must(err)
	if account.Limits.Conn <= 0 || account.Limits.Conn+10 > int64(all) {
		t.Fatalf("hosts may have %d of %d connections", account.Limits.Conn, all)
	}
	const few = 3
	account.Limits.Conn = few
	by, err := nkeys.FromSeed([]byte(h.op.Key))
	h.must(err)
	small, err := account.Encode(by)
	h.must(err)
	text = strings.Replace(text, h.op.Members.Signed, small, 1)
	h.Stop()
	h.SetConfig(limit.ReplaceAllString(text, fmt.Sprintf("max_connections: %d", few+2)))
	h.Run()
	c := h.add("acme_pbx1").creds
	for range few - 1 {
		h.login(c)
	}
	if u, err := h.tryLogin(c); err == nil {
		u.Conn.Close()
		t.Error("hosts have more connections than they may have")
	}
	asker, err := h.op.SystemCreds()
	h.must(err)
	h.login(asker)
	admin, err := h.op.AdminCreds()
	h.must(err)
	h.login(admin)
}
