package connect

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/asterisk"
)

// Unlike returns what is not in Asterisk's files as a configuration wants it, in sentences. The plan is what
// would be changed for that, facts are what Asterisk has now, and hep and ami are pbx.hep and pbx.ami, zero for
// what is off. What is written by hand is judged by Asterisk's configuration alone.
func (p Plan) Unlike(facts *asterisk.Facts, hep, ami netip.AddrPort) (all []string) {
	now := facts.HEP
	switch {
	case hep.IsValid() && (p.ChangesHEP() || !p.HEP || !now.Enabled || now.To != hep.String()):
		all = append(all, fmt.Sprintf("hep.conf is not as \"voipbl pbx connect\" writes it: Asterisk does not copy its SIP messages to %s, or with another password, now or from its next start on", hep))
	case !hep.IsValid() && p.ChangesHEP():
		all = append(all, "hep.conf has Asterisk copy its SIP messages to voipbl, and pbx.hep is off")
	}
	manager := facts.Manager
	if why, remedy := Unused(manager); ami.IsValid() && manager.Enabled && why != "" {
		all = append(all, fmt.Sprintf("%s, so voipbl does without, now or from Asterisk's next start on: %s", why, remedy))
	} else if ami.IsValid() && (p.ChangesAMI() || !p.AMI || !slices.Contains(manager.Users, User) || manager.Listens.Port() != ami.Port()) {
		all = append(all, fmt.Sprintf("Asterisk's files do not let voipbl log in at its manager interface at %s as \"voipbl pbx connect\" writes them, now or from its next start on", ami))
	}
	return all
}
