package known

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
)

// Row is a phone as "voipbl phones" lists it. Its JSON is part of phones --json. Times are by the
// wall clock.
type Row struct {
	Address   netip.Addr `json:"address"`
	Account   string     `json:"account"`
	Transport string     `json:"transport"`
	Since     time.Time  `json:"since"`
	Until     time.Time  `json:"until"` // the end of its registration, or its last proof without one

	Unlimited time.Time `json:"unlimited_until"` // until when the limits of base rules do not apply
	Unlisted  time.Time `json:"unlisted_until"`  // until when no list blocks it
}

// Rows returns the phones by address and account, and why there may be more.
func Rows(cfg config.Config) ([]Row, *problem.Problem) {
	l, p := Read(cfg)
	return l.Rows(), p
}

// Rows returns the phones of a list by address and account.
func (l List) Rows() []Row {
	rows := make([]Row, 0, len(l.Phones))
	for _, p := range l.Phones {
		until := l.Written.Wall.Add(p.Left).UTC().Truncate(time.Second)
		rows = append(rows, Row{p.Addr, p.Account, p.Transport, p.Since, until, until.Add(LimitsGrace), until.Add(ListGrace)})
	}
	return rows
}
