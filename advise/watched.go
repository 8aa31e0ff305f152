package advise

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/internal/probe"
)

// ourJail is voipbl's jail for Asterisk.
const ourJail = "voipbl-asterisk"

// watches reports whether voipbl itself sees who guesses passwords at the PBX, and bans them: by copies of
// SIP messages, or by the manager interface, which tells of all that the security log has.
func (d *doctor) watches() bool {
	s := d.Status
	return d.Config.PBX.Watched() && d.Config.PBX.BanAttackers && s.Agent != nil && s.Agent.PBX != nil && len(s.PBXProblems) == 0
}

// noFail2ban reports whether there is certainly no fail2ban on this host.
func (d *doctor) noFail2ban() bool { return d.Facts.Fail2ban == nil && !d.unknown("fail2ban") }

// whoBans says who bans attackers of Asterisk, if that is nobody, or fail2ban and voipbl. Asterisk's
// log also has attackers over IAX2, which the copies of SIP messages have not.
func (d *doctor) whoBans() {
	a, f := d.Facts.Asterisk, d.Facts.Fail2ban
	switch {
	case a == nil:
	case f != nil && f.Running && a.IAX2 == nil && d.Config.PBX.HEP.IsValid() && d.watches() && slices.ContainsFunc(f.Jails, func(j fail2ban.Jail) bool { return j.Name == ourJail }):
		d.note(BothBan, Note, "nothing, or write \"enabled = false\" below [voipbl-asterisk] in /etc/fail2ban/jail.d/voipbl.local, then: systemctl reload fail2ban",
			"they do not disturb each other", "fail2ban's jail %s and voipbl, which watches the PBX, ban the same attackers: one is enough", ourJail)
	case d.noFail2ban() && !d.Config.PBX.Watched() && !d.has(SecurityLog):
		d.note(NobodyBans, Note, "\"voipbl pbx connect\" has voipbl ban them", "an attacker that is on no list may try one password after the other",
			"nobody bans who guesses passwords at Asterisk: there is no fail2ban, and voipbl does not watch the PBX")
	}
}

// withoutCopies says what the manager interface alone does not prove, where Asterisk could also copy its
// SIP messages.
func (d *doctor) withoutCopies() {
	if a := d.Facts.Asterisk; a != nil && a.HEP.Free() && d.Config.PBX.AMI.IsValid() && !d.Config.PBX.HEP.IsValid() {
		d.note(PBXUnproved, Note, "\"voipbl pbx connect --copies\" has Asterisk prove them; it costs Asterisk some 5 % of a processor at 100 calls a second",
			"attackers over UDP are banned for ten minutes at a time, and are not reported",
			"wrong passwords over UDP are not proved%s, since the PBX is watched by Asterisk's manager interface alone", d.unusedTraps())
	}
}

// unusedTraps says that there are traps which the manager interface alone does not see.
func (d *doctor) unusedTraps() string {
	if t := d.Config.PBX.Traps; len(t.Extensions)+len(t.Agents) > 0 {
		return ", and pbx.traps.extensions and pbx.traps.agents have no effect"
	}
	return ""
}

// unknown reports whether something could not be looked at.
func (d *doctor) unknown(what string) bool {
	return slices.ContainsFunc(d.Facts.Unknown, func(u probe.Unknown) bool { return strings.Contains(u.What, what) })
}

// has reports whether there is a finding already.
func (d *doctor) has(code string) bool {
	return slices.ContainsFunc(d.found, func(f Finding) bool { return f.Code == code })
}

// orConnect is what else ends a trouble with Asterisk's log.
func (d *doctor) orConnect() string {
	if d.Config.PBX.Watched() {
		return ""
	}
	return "; or run \"voipbl pbx connect\", for which Asterisk needs no log"
}
