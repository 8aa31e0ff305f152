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
}

// Plan is what becomes of the files.
type Plan struct {
	Files  []Change `json:"files"`   // those that change
	ByHand []string `json:"by_hand"` // what voipbl cannot do, and what an admin can
	HEP    bool     `json:"hep"`     // Asterisk is to send copies after this
	AMI    bool     `json:"ami"`     // voipbl may log in after this
}

// Change is the new text of a file, or its end.
type Change struct {
	File   string `json:"file"` // below Asterisk's folder
	Remove bool   `json:"remove,omitempty"`
	text   string
	old    *text
}

// New decides what becomes of the files.
func New(f Files, facts *asterisk.Facts, want Want) (Plan, error) {
	p := Plan{Files: []Change{}, ByHand: []string{}}
	if err := p.hep(f, facts.HEP, want); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", hepFile, err)
	}
	return p, p.manager(f, facts.Manager, want.AMISecret)
}

func (p *Plan) hep(f Files, now asterisk.HEP, want Want) error {
	old := f[hepFile]
	rest, err := withoutBlock(old.string())
	if err != nil {
		return err
	}
	lines := ""
	switch at := want.HEP.String(); {
	case !want.HEP.IsValid():
	case !now.Installed:
		p.hand("Asterisk's module res_hep_pjsip is not installed, or modules.conf excludes it: without it Asterisk copies no SIP messages")
	case rest == old.string() && now.Enabled && old != nil && now.To != "" && now.To != at:
		p.hand("hep.conf has Asterisk copy its SIP messages to %s, and it copies them to one address only: voipbl does without, or take that out", now.To)
	default:
		p.HEP = true
		section := "[general](+)"
		if !hasGeneral(rest) {
			section = "[general]"
		}
		lines = fmt.Sprintf("%s\nenabled = yes\ncapture_address = %s\ncapture_password = %s\n", section, at, want.HEPPassword)
	}
	return p.block(hepFile, old, lines)
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

func (p *Plan) manager(f Files, now asterisk.Manager, secret string) error {
	lines := ""
	if secret != "" {
		lines = fmt.Sprintf(manager, secret)
		p.AMI = true
		switch {
		case !now.Enabled:
			p.AMI = false
			p.hand("the manager interface is off, so voipbl learns of phones only by copies of SIP messages: set enabled = yes in manager.conf, section [general], and run \"asterisk -rx 'manager reload'\"")
		case now.HTTP:
			p.AMI = false
			p.hand("the manager interface is open over HTTP, where strangers can write into it what voipbl would read, so voipbl does without: set webenabled = no in manager.conf, section [general], and run \"asterisk -rx 'manager reload'\"")
		case now.OldSIP:
			p.AMI = false
			p.hand("chan_sip is loaded, with which strangers can write into the manager interface what voipbl would read, so voipbl does without: if no phone needs it, put \"noload = chan_sip.so\" below [modules] in modules.conf, and restart Asterisk")
		case !now.Listens.Addr().IsLoopback():
			p.AMI = false
			p.hand("the manager interface listens at no address that voipbl may use: set bindaddr = 127.0.0.1 in manager.conf, section [general], and restart Asterisk")
		}
	}
	place := p.place(now)
	for _, file := range []string{ownFile, customFile, managerFile} {
		text, old := "", f[file]
		if file == place {
			text = lines
		}
		var err error
		if file == ownFile {
			p.own(old, text)
		} else {
			err = p.block(file, old, text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
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
func (p *Plan) block(file string, old *text, lines string) error {
	text, err := withBlock(old.string(), lines)
	if err != nil {
		return err
	}
	if text != old.string() {
		p.Files = append(p.Files, Change{File: file, text: text, old: old})
	}
	return nil
}

// own changes voipbl's own file.
func (p *Plan) own(old *text, lines string) {
	switch {
	case lines == "" && old != nil:
		p.Files = append(p.Files, Change{File: ownFile, Remove: true, old: old})
	case lines != "" && old.string() != ownHead+lines:
		p.Files = append(p.Files, Change{File: ownFile, text: ownHead + lines, old: old})
	}
}

const ownHead = "; Written by \"voipbl pbx connect\"; \"voipbl pbx disconnect\" removes it.\n"

func (p *Plan) hand(format string, args ...any) {
	p.ByHand = append(p.ByHand, fmt.Sprintf(format, args...))
}
