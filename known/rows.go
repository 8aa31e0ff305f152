package known

import (
	"net/netip"
	"time"
)

// Listing is what "voipbl phones" lists. Its JSON is that of phones --json. Times are by the wall clock.
type Listing struct {
	Phones []PhoneRow `json:"phones"` // by address and account
	Trunks []TrunkRow `json:"trunks"` // by host
}

// PhoneRow is a phone.
type PhoneRow struct {
	Address   netip.Addr `json:"address"`
	Account   string     `json:"account"`
	Transport string     `json:"transport"`
	Since     time.Time  `json:"since"`
	Until     time.Time  `json:"until"` // the end of its registration, or its last proof without one

	Unlimited time.Time `json:"unlimited_until"` // until when the limits of base rules do not apply
	Unlisted  time.Time `json:"unlisted_until"`  // until when no list blocks it
}

// TrunkRow is a trunk.
type TrunkRow struct {
	Host      string       `json:"host"`      // the name or address at which the PBX is registered
	Account   string       `json:"account"`   // whom the PBX is registered as
	Addresses []netip.Addr `json:"addresses"` // none if the name was not resolved yet
	Since     time.Time    `json:"since"`
	Last      time.Time    `json:"last"`          // when the PBX has told of it last
	Trusted   time.Time    `json:"trusted_until"` // until when neither lists nor bans block it, and no limits apply
}

// Rows returns the phones of a list by address and account.
func (l List) Rows() []PhoneRow {
	rows := make([]PhoneRow, 0, len(l.Phones))
	for _, p := range l.Phones {
		until := l.Written.Wall.Add(p.Left).UTC().Truncate(time.Second)
		rows = append(rows, PhoneRow{
			Address: p.Addr, Account: p.Account, Transport: p.Transport, Since: p.Since,
			Until: until, Unlimited: until.Add(LimitsGrace), Unlisted: until.Add(ListGrace),
		})
	}
	return rows
}

// Rows returns the trunks of a list by host.
func (t Trunks) Rows() []TrunkRow {
	rows := make([]TrunkRow, 0, len(t.All))
	for _, trunk := range t.All {
		last := trunk.Last(t.Written)
		rows = append(rows, TrunkRow{
			Host: trunk.Host, Account: trunk.Account, Addresses: append([]netip.Addr{}, trunk.Addrs...),
			Since: trunk.Since, Last: last, Trusted: last.Add(trunkGrace),
		})
	}
	return rows
}
