package connect

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/pbx/link"
)

// User is the name of voipbl's user of the manager interface.
const User = link.AMIUser

// Names of files, below Asterisk's folder.
const (
	hepFile     = "hep.conf"
	managerFile = "manager.conf"
	customFile  = "manager_custom.conf" // FreePBX: manager.conf is written anew at each of its changes
	ownFile     = "manager.d/voipbl.conf"
)

// Want is how Asterisk is to be connected. What is empty is taken out.
type Want struct {
	HEP         netip.AddrPort // where copies of SIP messages go to
	HEPPassword string
	AMISecret   string // of the manager interface's user [User]

	Reader      asterisk.Account // whom Asterisk runs as: it must be able to read the files
	PasswordsIn string           // the file with the passwords, for who writes lines by hand
}

func (w Want) passwordOf(name string) string { return fmt.Sprintf("%q of %s", name, w.PasswordsIn) }

// Plan is what becomes of the files.
type Plan struct {
	Files  []Change `json:"files"`   // those that change
	ByHand []string `json:"by_hand"` // what voipbl cannot do, and what an admin can
	HEP    bool     `json:"hep"`     // Asterisk is to send copies after this
	AMI    bool     `json:"ami"`     // voipbl may log in after this

	noHEP, noAMI bool // it is to cease
}

// Change is the new text of a file, or its end.
type Change struct {
	File   string `json:"file"` // below Asterisk's folder
	Remove bool   `json:"remove,omitempty"`
	text   string
	old    *text
	rights
}

// New decides what becomes of the files.
func New(f Files, facts *asterisk.Facts, want Want) (Plan, error) {
	p := Plan{Files: []Change{}, ByHand: []string{}}
	if err := p.hep(f, facts.HEP, want); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", hepFile, err)
	}
	if err := p.manager(f, facts.Manager, want); err != nil {
		return Plan{}, err
	}
	hep, manager := false, false
	for _, c := range p.Files {
		hep = hep || c.File == hepFile
		manager = manager || c.File != hepFile
	}
	p.noHEP = !p.HEP && (hep || !want.HEP.IsValid() && !facts.HEP.Enabled)
	p.noAMI = !p.AMI && (manager || want.AMISecret == "")
	return p, nil
}

func (p *Plan) hep(f Files, now asterisk.HEP, want Want) error {
	old := f[hepFile]
	bad := old.unusable()
	rest, err := withoutBlock(old.string())
	if err != nil {
		return err
	}
	lines := ""
	switch at := want.HEP.String(); {
	case !want.HEP.IsValid():
		if to, err := netip.ParseAddrPort(now.To); bad != nil && now.Enabled && err == nil && to.Addr().IsLoopback() {
			p.hand("%s/%s: %v. It has Asterisk copy its SIP messages to %s: if that is voipbl, take it out", Folder, hepFile, bad, to)
		}
	case !now.Installed:
		p.hand("Asterisk's module res_hep_pjsip is not installed, or modules.conf excludes it: without it Asterisk copies no SIP messages")
	case rest == old.string() && now.Enabled && old != nil && now.To != "" && now.To != at:
		p.hand("hep.conf has Asterisk copy its SIP messages to %s, and it copies them to one address only: voipbl goes without these copies, unless you take that out and run \"voipbl pbx connect\" again", now.To)
	case bad != nil && now.Enabled && now.To == at: // by hand
		p.HEP = true
	default:
		p.HEP = true
		section := "[general](+)"
		if !hasGeneral(rest) {
			section = "[general]"
		}
		lines = fmt.Sprintf("%s\nenabled = yes\ncapture_address = %s\ncapture_password = %s\n", section, at, want.HEPPassword)
		if bad != nil {
			p.lines(hepFile, bad, lines, want.HEPPassword, want.passwordOf("hep"), loadHEP...)
		}
	}
	return p.block(hepFile, old, lines, want.Reader)
}

// hasGeneral reports whether a text has the section [general], to which lines are then added.
func hasGeneral(text string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "[general]") {
			return true
		}
	}
	return false
}

// manager: read has what Asterisk tells of phones and attackers, write what it answers about
// registrations. Asterisk has nothing smaller: with write=reporting who knows the secret can also
// take outbound registrations back (PJSIPUnregister), read variables of channels and rotate logs.
const manager = `[` + User + `]
secret = %s
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
permit = ::1/128
read = security,system
write = reporting
`

func (p *Plan) manager(f Files, now asterisk.Manager, want Want) error {
	if want.AMISecret != "" {
		p.AMI = true
		switch {
		case !now.Enabled:
			p.AMI = false
			p.hand("the manager interface is off, so voipbl learns of phones only by copies of SIP messages: set enabled = yes in manager.conf, section [general], run \"asterisk -rx 'manager reload'\", then \"voipbl pbx connect\" again")
		case now.HTTP:
			p.AMI = false
			p.hand("the manager interface is open over HTTP, where strangers can write into it what voipbl would read, so voipbl does without: set webenabled = no in manager.conf, section [general], run \"asterisk -rx 'manager reload'\", then \"voipbl pbx connect\" again")
		case now.OldSIP:
			p.AMI = false
			p.hand("chan_sip is loaded, with which strangers can write into the manager interface what voipbl would read, so voipbl does without: if no phone needs it, put \"noload = chan_sip.so\" below [modules] in modules.conf, restart Asterisk, and run \"voipbl pbx connect\" again")
		case !now.Listens.Addr().IsLoopback():
			p.AMI = false
			p.hand("the manager interface listens at no address that voipbl may use: set bindaddr = 127.0.0.1 in manager.conf, section [general], restart Asterisk, and run \"voipbl pbx connect\" again")
		}
	}
	lines := ""
	if p.AMI { // nobody gets a user that is not used
		lines = fmt.Sprintf(manager, want.AMISecret)
	}
	place, known := p.place(now), slices.Contains(now.Users, User)
	if bad := f[place].unusable(); bad != nil && lines != "" && !known {
		p.lines(place, bad, lines, want.AMISecret, want.passwordOf("ami"), reloadManager)
	}
	before := len(p.Files)
	for _, file := range []string{ownFile, customFile, managerFile} {
		text, old := "", f[file]
		if file == place {
			text = lines
		}
		var err error
		if file == ownFile {
			p.own(old, text, want.Reader)
		} else {
			err = p.block(file, old, text, want.Reader)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if known && lines == "" && len(p.Files) == before {
		for _, file := range []string{ownFile, customFile, managerFile} {
			if bad := f[file].unusable(); bad != nil {
				p.hand("%s/%s: %v. If the section [%s] is in it, take it out", Folder, file, bad, User)
			}
		}
	}
	return nil
}

// place returns the file for voipbl's user. FreePBX writes manager.conf itself.
func (p *Plan) place(now asterisk.Manager) string {
	for _, file := range []string{customFile, ownFile} {
		if slices.ContainsFunc(now.Includes, func(pattern string) bool {
			ok, _ := path.Match(pattern, path.Join(Folder, file))
			return ok
		}) {
			return file
		}
	}
	return managerFile
}

// block changes voipbl's lines in a file of others.
func (p *Plan) block(file string, old *text, lines string, reader asterisk.Account) error {
	if old.unusable() != nil {
		return nil
	}
	next, was := restored(old), ""
	line, ours := noted(old.string())
	if lines != "" {
		next, was = secret(old, reader), line
		if !ours {
			was = before(old, next)
		}
		lines = was + lines
	}
	text, err := withBlock(old.string(), lines)
	if err != nil {
		return err
	}
	switch {
	case text == "" && ours && line == wasNone:
		p.Files = append(p.Files, Change{File: file, Remove: true, old: old})
	case text != old.string() || lines != "" && next != old.rights:
		p.Files = append(p.Files, Change{File: file, text: text, old: old, rights: next})
	}
	return nil
}

// own changes voipbl's own file.
func (p *Plan) own(old *text, lines string, reader asterisk.Account) {
	next := secret(old, reader)
	switch {
	case old.unusable() != nil:
	case lines == "" && old != nil:
		p.Files = append(p.Files, Change{File: ownFile, Remove: true, old: old})
	case lines != "" && (old.string() != ownHead+lines || next != old.rights):
		p.Files = append(p.Files, Change{File: ownFile, text: ownHead + lines, old: old, rights: next})
	}
}

const ownHead = "; Written by \"voipbl pbx connect\"; \"voipbl pbx disconnect\" removes it.\n"

// lines says which lines an admin is to write into a file, and where the password in them is.
func (p *Plan) lines(file string, bad error, lines, password, place string, commands ...string) {
	shown := strings.Split(strings.TrimSpace(strings.ReplaceAll(lines, "= "+password+"\n", "= PASSWORD\n")), "\n")
	p.hand("%s/%s: %v. Write these lines into it, with %s for PASSWORD: %q. Then run on Asterisk's console: %s",
		Folder, file, bad, place, shown, strings.Join(commands, "; "))
}

func (p *Plan) hand(format string, args ...any) {
	p.ByHand = append(p.ByHand, fmt.Sprintf(format, args...))
}
