package firewall

import "strings"

// AsksForWay reports whether a rule of others tells packets apart by the interface that they
// come by or by the address of this host that they are for.
func (s *Saved) AsksForWay() bool {
	for _, chains := range s.tables {
		for name, c := range chains {
			if isOurChain(name) {
				continue
			}
			for _, r := range c.rules {
				answers := name == "OUTPUT" || name == "POSTROUTING"
				if padded := " " + r.text; !strings.Contains(padded, " -i ") && !strings.Contains(padded, " -d ") && !strings.Contains(padded, " -o ") && !answers {
					continue
				}
				for _, a := range readEach(r.text, false) {
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
