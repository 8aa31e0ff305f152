package agent

import "net/netip"

func queryText(q netip.Prefix) string {
	if q.IsSingleIP() {
		return q.Addr().String()
	}
	return q.String()
}
