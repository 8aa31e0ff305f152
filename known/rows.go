package known

import (
	"net/netip"
	"time"
)

// The kinds of rows.
const (
	KindPhone = "phone"
	KindTrunk = "trunk"
)

// Row is a phone or an address of a trunk as "voipbl phones" lists it. Its JSON is part of
// phones --json. Times are by the wall clock.
type Row struct {
	Kind      string     `json:"kind"`
	Address   netip.Addr `json:"address"`        // of a trunk whose name was not resolved yet: none
	Host      string     `json:"host,omitempty"` // of a trunk: the name or address at which the PBX is registered
	Account   string     `json:"account"`        // of a trunk: whom the PBX is registered as
	Transport string     `json:"transport"`      // of a phone
	Since     time.Time  `json:"since"`
	Until     time.Time  `json:"until"` // the end of its registration, or its last proof without one; of a trunk: when the PBX was last seen registered

	Unlimited time.Time `json:"unlimited_until"` // until when the limits of base rules do not apply
	Unlisted  time.Time `json:"unlisted_until"`  // until when no list blocks it
}

// Rows returns the phones of a list by address and account.
func (l List) Rows() []Row {
	rows := make([]Row, 0, len(l.Phones))
	for _, p := range l.Phones {
		until := l.Written.Wall.Add(p.Left).UTC().Truncate(time.Second)
		rows = append(rows, Row{
			Kind: KindPhone, Address: p.Addr, Account: p.Account, Transport: p.Transport, Since: p.Since,
			Until: until, Unlimited: until.Add(LimitsGrace), Unlisted: until.Add(ListGrace),
		})
	}
	return rows
}

// Rows returns the trunks of a list by host and address.
func (t Trunks) Rows() []Row {
	var rows []Row
	for _, trunk := range t.All {
		last := trunk.Last(t.Written)
		row := Row{
			Kind: KindTrunk, Host: trunk.Host, Account: trunk.Account, Since: trunk.Since,
			Until: last, Unlimited: last.Add(trunkGrace), Unlisted: last.Add(trunkGrace),
		}
		for _, row.Address = range trunk.Addrs {
			rows = append(rows, row)
		}
		if len(trunk.Addrs) == 0 {
			rows = append(rows, row)
		}
	}
	return rows
}
