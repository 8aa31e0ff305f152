package connect

import (
	"cmp"
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
	ownFolder   = "manager.d"
	ownFile     = ownFolder + "/voipbl.conf"
)

// Want is how Asterisk is to be connected. What is empty is taken out.
type Want struct {
	HEP         netip.AddrPort // where copies of SIP messages go to
	HEPPassword string
	AMISecret   string // of the manager interface's user [User]

	WasHEP netip.AddrPort // where copies went to: without HEP they cease, even if the files have nothing of them any more

	Reader      asterisk.Account // whom Asterisk runs as: it must be able to read the files
	PasswordsIn string           // the file with the passwords, for who writes lines by hand
}

// command is what does to a file what is wanted.
func (w Want) command(file string) string {
	switch {
	case w.AMISecret == "" && !w.HEP.IsValid():
		return "voipbl pbx disconnect"
	case file == hepFile && w.HEP.IsValid():
		return "voipbl pbx connect --copies"
	}
	return "voipbl pbx connect"
}

func (w Want) passwordOf(name string) string { return fmt.Sprintf("%q of %s", name, w.PasswordsIn) }

// Plan is what becomes of the files.
type Plan struct {
	Files  []Change `json:"files"`   // those that change
	ByHand []string `json:"by_hand"` // what voipbl cannot do, and what an admin can
	HEP    bool     `json:"hep"`     // Asterisk is to send copies after this
	AMI    bool     `json:"ami"`     // voipbl may log in after this

	noHEP, noAMI bool // it is to cease
	noFolder     bool // that of [ownFile] is not there
}

// Change is the new text of a file, or its end.
type Change struct {
	File   string `json:"file"` // below Asterisk's folder
	Remove bool   `json:"remove,omitempty"`
	folder bool   // its folder is made with it, or removed
	text   string
	old    *text
	rights
}

// New decides what becomes of the files.
func New(f Files, facts *asterisk.Facts, want Want) Plan {
	p := Plan{Files: []Change{}, ByHand: []string{}, noFolder: f[ownFolder] != nil}
	checked := Files{}
	for name, t := range f {
		checked[name] = t.checked(name == hepFile && want.HEP.IsValid() || name == place(facts.Manager) && want.AMISecret != "")
	}
	for _, name := range []string{hepFile, managerFile, customFile, ownFile} {
		if t := checked[name]; t.damaged() {
			p.hand("%s/%s: %v, then run \"%s\" again", Folder, name, t.bad, want.command(name))
		}
	}
	p.hep(checked, facts.HEP, want)
	p.manager(checked, facts.Manager, want)
	p.noHEP = !p.HEP && (p.ChangesHEP() || want.WasHEP.IsValid() && (!facts.HEP.Enabled || facts.HEP.To == want.WasHEP.String()))
	p.noAMI = !p.AMI && (p.ChangesAMI() || want.AMISecret == "")
	return p
}

// ChangesHEP reports whether the file about copies of SIP messages changes.
func (p Plan) ChangesHEP() bool { return slices.ContainsFunc(p.Files, Change.isHEP) }

// ChangesAMI reports whether a file about the manager interface changes.
func (p Plan) ChangesAMI() bool {
	return slices.ContainsFunc(p.Files, func(c Change) bool { return !c.isHEP() })
}

func (c Change) isHEP() bool { return c.File == hepFile }

func (p *Plan) hep(f Files, now asterisk.HEP, want Want) {
	old := f[hepFile]
	bad, rest := old.unusable(), old.rest()
	lines := ""
	switch at := want.HEP.String(); {
	case old.damaged():
		p.HEP = want.HEP.IsValid() && now.Enabled && now.To == at // it stays as it is
	case !want.HEP.IsValid():
		if to, err := netip.ParseAddrPort(now.To); bad != nil && now.Enabled && err == nil && to.Addr().IsLoopback() {
			p.hand("%s/%s: %v. It has Asterisk copy its SIP messages to %s: if that is voipbl, take it out", Folder, hepFile, bad, to)
		}
	case !now.Installed:
		p.hand("Asterisk's module res_hep_pjsip is not installed, or modules.conf excludes it: without it Asterisk copies no SIP messages")
	case rest == old.string() && now.Enabled && old != nil && now.To != "" && now.To != at:
		p.hand("hep.conf has Asterisk copy its SIP messages to %s, and it copies them to one address only: voipbl goes without these copies, unless you take that out and run \"voipbl pbx connect --copies\"", now.To)
	case bad != nil && now.Enabled && now.To == at: // by hand
		p.HEP = true
	default:
		p.HEP = true
		section := "[general](+)"
		if !hasSection(rest, "general") {
			section = "[general]"
		}
		lines = fmt.Sprintf("%s\nenabled = yes\ncapture_address = %s\ncapture_password = %s\n", section, at, want.HEPPassword)
		if bad != nil {
			p.lines(hepFile, bad, lines, want.HEPPassword, want.passwordOf("hep"), loadHEP...)
		}
	}
	p.block(hepFile, old, lines, want.Reader)
}

// hasSection reports whether Asterisk finds a section in a text.
func hasSection(text, name string) bool {
	return slices.ContainsFunc(asterisk.OutlineOf(text).Sections, func(s string) bool { return strings.EqualFold(s, name) })
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

func (p *Plan) manager(f Files, now asterisk.Manager, want Want) {
	if want.AMISecret != "" {
		why, remedy := Unused(now)
		p.AMI = why == ""
		if !p.AMI {
			p.hand("%s, so voipbl does without: %s, and run \"voipbl pbx connect\" again%s", why, remedy, want.orCopies())
		}
	}
	lines := ""
	if p.AMI { // nobody gets a user that is not used
		lines = fmt.Sprintf(manager, want.AMISecret)
	}
	place, known := place(now), slices.Contains(now.Users, User)
	taken := known && lines == "" // out
	if known && lines != "" {
		switch file, ours := f.user(); {
		case file == "" && (ours || f.unread()): // written by hand, maybe
		case strings.Contains(f[file].rest(), lines): // by hand
			lines = ""
		default:
			p.AMI, lines = false, ""
			place := Folder + "/" + cmp.Or(file, managerFile+" or what it includes")
			p.hand("%s: the section [%s] in it is not between voipbl's marks: take it out or rename it, then run \"voipbl pbx connect\" again", place, User)
		}
	}
	switch bad := f[place].unusable(); {
	case bad == nil || lines == "" || known:
	case f[place].damaged():
		p.AMI = false
	default:
		p.lines(place, bad, lines, want.AMISecret, want.passwordOf("ami"), reloadManager)
	}
	before := len(p.Files)
	for _, file := range managerFiles {
		text := ""
		if file == place {
			text = lines
		}
		p.block(file, f[file], text, want.Reader)
	}
	for _, file := range managerFiles {
		if !taken {
			break
		}
		switch bad := f[file].unusable(); {
		case bad != nil && !f[file].damaged() && len(p.Files) == before:
			p.hand("%s/%s: %v. If the section [%s] is in it, take it out", Folder, file, bad, User)
		case hasSection(f[file].rest(), User):
			p.hand("%s/%s: the section [%s] in it is not between voipbl's marks. If you have not written it for another program, take it out", Folder, file, User)
		}
	}
}

// managerFiles are those that voipbl's user may be in.
var managerFiles = []string{ownFile, customFile, managerFile}

// user returns the file that has a user of voipbl's name outside of voipbl's lines, "" if none has, and
// whether voipbl's lines are in any.
func (f Files) user() (file string, ours bool) {
	for _, name := range managerFiles {
		if hasSection(f[name].rest(), User) {
			file = name
		}
		_, has := noted(f[name].string())
		ours = ours || has
	}
	return file, ours
}

// unread reports whether it is not known what is in one of the files.
func (f Files) unread() bool {
	return slices.ContainsFunc(managerFiles, func(name string) bool { return f[name].unusable() != nil })
}

// Unused returns why the manager interface is not used, and what ends that; "" if it may be.
func Unused(now asterisk.Manager) (why, remedy string) {
	switch {
	case !now.Enabled:
		return "the manager interface is off", "set enabled = yes in manager.conf, section [general], run \"asterisk -rx 'manager reload'\""
	case now.HTTP:
		return "the manager interface is open over HTTP, where strangers can write into it what voipbl would read", "set webenabled = no in manager.conf, section [general], run \"asterisk -rx 'manager reload'\""
	case now.OldSIP:
		return "chan_sip is loaded, with which strangers can write into the manager interface what voipbl would read", "if no phone needs it, put \"noload = chan_sip.so\" below [modules] in modules.conf, restart Asterisk"
	case !now.Listens.Addr().IsLoopback():
		return "the manager interface listens at no address that voipbl may use", "set bindaddr = 127.0.0.1 in manager.conf, section [general], restart Asterisk"
	}
	return "", ""
}

// orCopies is what else has the PBX watched.
func (w Want) orCopies() string {
	if w.HEP.IsValid() {
		return ""
	}
	return "; or run \"voipbl pbx connect --copies\", which needs no manager interface"
}

// place returns the file for voipbl's user. FreePBX writes manager.conf itself.
func place(now asterisk.Manager) string {
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

// block changes voipbl's lines in a file, which others may have lines in, too.
func (p *Plan) block(file string, old *text, lines string, reader asterisk.Account) {
	if old.unusable() != nil {
		return
	}
	noFolder := p.noFolder && file == ownFile
	hadNoFolder := strings.Contains(old.string(), wasNoFolder)
	next, was := restored(old), ""
	line, ours := noted(old.string())
	if lines != "" {
		next, was = secret(old, reader), line
		if !ours {
			was = before(old, next)
		}
		if noFolder || hadNoFolder {
			was += wasNoFolder
		}
		lines = was + lines
	}
	text := withBlock(old.rest(), lines)
	switch {
	case text == "" && ours && line == wasNone:
		p.Files = append(p.Files, Change{File: file, Remove: true, folder: hadNoFolder, old: old})
	case text != old.string() || lines != "" && next != old.rights:
		p.Files = append(p.Files, Change{File: file, folder: noFolder, text: text, old: old, rights: next})
	}
}

// lines says which lines an admin is to write into a file, and where the password in them is.
func (p *Plan) lines(file string, bad error, lines, password, place string, commands ...string) {
	shown := strings.Split(strings.TrimSpace(strings.ReplaceAll(lines, "= "+password+"\n", "= PASSWORD\n")), "\n")
	p.hand("%s/%s: %v. Write these lines into it, with %s for PASSWORD: %q. Then run on Asterisk's console: %s",
		Folder, file, bad, place, shown, strings.Join(commands, "; "))
}

func (p *Plan) hand(format string, args ...any) {
	p.ByHand = append(p.ByHand, fmt.Sprintf(format, args...))
}
