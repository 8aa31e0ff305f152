package link

import "github.com/voipbl/voipbl/pbx"

const (
	maxText  = 300 // bytes of a text that is shown
	maxWords = 64  // bytes of a name or word
)

// Clean returns the health as it may be shown: the texts may be those of an attacker who has taken the
// process over.
func (h Health) Clean() Health {
	h.Name, h.Key, h.Hub, h.Error = pbx.Printable(h.Name, maxWords), pbx.Printable(h.Key, maxWords), pbx.Printable(h.Hub, maxText), pbx.Printable(h.Error, maxText)
	for _, n := range []*int{&h.Hosts, &h.Heard, &h.Believed, &h.Unsaid} {
		*n = max(*n, 0)
	}
	left := make(map[string]int)
	for _, why := range []string{Exempt, Phone, Veto, Full, Odd, Unknown} {
		if n := h.Left[why]; n > 0 {
			left[why] = n
		}
	}
	h.Left = left
	return h
}
