package iptwalk

import (
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// AsksForWay reports whether other programs' rules tell packets apart by incoming interface or by
// the address of this host that they are for.
func AsksForWay(s *iptables.Saved) bool {
	for _, chains := range s.Tables {
		for name, c := range chains {
			if iptables.IsOurChain(name) {
				continue
			}
			for _, r := range c.Rules {
				answers := name == "OUTPUT" || name == "POSTROUTING"
				if padded := " " + r.Text; !strings.Contains(padded, " -i ") && !strings.Contains(padded, " -d ") && !strings.Contains(padded, " -o ") && !answers {
					continue
				}
				for _, a := range readEach(r.Text, false) {
					if a.in != "" && a.in != "lo" || a.notIn != "" || a.dst.IsValid() || a.notDst.IsValid() ||
						a.out != "" && a.out != "lo" || a.notOut != "" || answers && (a.src.IsValid() || a.notSrc.IsValid()) {
						return true
					}
				}
			}
		}
	}
	return false
}
