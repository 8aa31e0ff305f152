package connect

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/internal/testns"
)

var want = Want{HEP: netip.MustParseAddrPort("127.0.0.1:460"), HEPPassword: "pw", AMISecret: "sec"}

// debian is what Debian's Asterisk has.
var debian = asterisk.Facts{
	HEP: asterisk.HEP{Installed: true, To: "192.168.1.1:9061"},
	Manager: asterisk.Manager{Enabled: true, Listens: netip.MustParseAddrPort("127.0.0.1:5038"),
		Includes: []string{"/etc/asterisk/manager.d/*.conf"}},
}

// known is a Debian that has a user of voipbl's name.
var known = changed(debian, func(f *asterisk.Facts) { f.Manager.Users = []string{User} })

func changed(f asterisk.Facts, change func(*asterisk.Facts)) asterisk.Facts {
	change(&f)
	return f
}

// ours are the lines of a file between voipbl's marks.
func ours(lines string) string { return begin + "\n" + lines + end + "\n" }

const hepLines = "enabled = yes\ncapture_address = 127.0.0.1:460\ncapture_password = pw\n"

func userLines() string { return strings.Replace(manager, "%s", "sec", 1) }

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  map[string]string
		facts  asterisk.Facts
		want   Want
		texts  map[string]string // "-" is a removal
		byHand string
		ways   string
	}{
		{"Debian", map[string]string{hepFile: "[general]\nenabled = no"}, debian, want, map[string]string{
			hepFile: "[general]\nenabled = no\n" + ours(wasOpen+"[general](+)\n"+hepLines), ownFile: ours(wasNone + userLines()),
		}, "", "hep ami"},
		{"no hep.conf", nil, debian, want, map[string]string{hepFile: ours(wasNone + "[general]\n" + hepLines), ownFile: ours(wasNone + userLines())}, "", "hep ami"},
		{"hep.conf was voipbl's alone", map[string]string{hepFile: ours(wasNone + hepLines)}, debian, Want{}, map[string]string{hepFile: "-"}, "", ""},
		{"again", map[string]string{hepFile: ours("[general]\n" + hepLines), ownFile: ours(wasNone + userLines())},
			changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled, f.HEP.To = true, "127.0.0.1:460" }), want, nil, "", "hep ami"},
		{"another password", map[string]string{hepFile: ours("[general]\nenabled = yes\n"), ownFile: ours(wasNone + "old\n")}, debian, want, map[string]string{
			hepFile: ours("[general]\n" + hepLines), ownFile: ours(wasNone + userLines()),
		}, "", "hep ami"},
		{"of an older build", map[string]string{ownFile: older + userLines()}, debian, Want{AMISecret: "another"},
			map[string]string{ownFile: strings.Replace(ours(wasNone+userLines()), "sec\n", "another\n", 1)}, "", "ami"},
		{"of an older build, taken out", map[string]string{ownFile: older + wasNoFolder + userLines()}, debian, Want{}, map[string]string{ownFile: "-"}, "", ""},
		{"of an older build, with a line of others", map[string]string{ownFile: older + userLines() + "permit = 192.0.2.1\n"}, known, Want{}, nil, "the section [voipbl] in it", ""},
		{"a file of others", map[string]string{ownFile: "; mine\n[crm]\n"}, debian, Want{AMISecret: "sec"}, map[string]string{ownFile: "; mine\n[crm]\n" + ours(userLines())}, "", "ami"},
		{"a file of others, taken out", map[string]string{ownFile: "; mine\n[crm]\n" + ours(userLines())}, debian, Want{}, map[string]string{ownFile: "; mine\n[crm]\n"}, "", ""},
		{"lines of others", map[string]string{ownFile: ours(wasNone+userLines()) + "[crm]\n"}, debian, Want{}, map[string]string{ownFile: "[crm]\n"}, "", ""},
		{"a user of others", map[string]string{managerFile: "[voipbl]\nsecret = x\n"}, known, Want{AMISecret: "sec"}, nil,
			`/etc/asterisk/manager.conf: the section [voipbl] in it is not between voipbl's marks: take it out or rename it, then run "voipbl pbx connect" again`, ""},
		{"a user of others, in another file", nil, known, want, map[string]string{hepFile: ours(wasNone + "[general]\n" + hepLines)},
			"/etc/asterisk/manager.conf or what it includes: the section [voipbl]", "hep"},
		{"a user of others, taken out", map[string]string{managerFile: "[voipbl]\nsecret = x\n"}, known, Want{}, nil, "If you have not written it for another program", ""},
		{"the user, without marks", map[string]string{ownFile: "; mine\n" + userLines()}, known, Want{AMISecret: "sec"}, nil, "", "ami"},
		{"its section in a comment", map[string]string{hepFile: ";-- [general]\n--;\n"}, debian, Want{HEP: want.HEP, HEPPassword: "pw"},
			map[string]string{hepFile: ";-- [general]\n--;\n" + ours("[general]\n"+hepLines)}, "", "hep"},
		{"its section is a template", map[string]string{hepFile: "[general](!)\n"}, debian, Want{HEP: want.HEP, HEPPassword: "pw"},
			map[string]string{hepFile: "[general](!)\n" + ours("[general]\n"+hepLines)}, "", "hep"},
		{"its section behind a byte order mark", map[string]string{hepFile: "\uFEFF[general]\n"}, debian, Want{HEP: want.HEP, HEPPassword: "pw"},
			map[string]string{hepFile: "\uFEFF[general]\n" + ours("[general](+)\n"+hepLines)}, "", "hep"},
		{"an open comment", map[string]string{hepFile: "[general]\n;--\n", ownFile: "\n;-- x"}, debian, want, nil,
			`begins in line 2 with ";--" does not end, so lines of voipbl would belong to it: end it with "--;", then run "voipbl pbx connect`, ""},
		{"an open comment where nothing is written", map[string]string{hepFile: ";--\n", managerFile: ";--\n"}, debian, Want{AMISecret: "sec"},
			map[string]string{ownFile: ours(wasNone + userLines())}, "", "ami"},
		{"an open comment, taken out", map[string]string{hepFile: ";--\n" + ours(hepLines)}, debian, Want{}, map[string]string{hepFile: ";--\n"}, "", ""},
		{"in a comment that others began", map[string]string{hepFile: "[general]\n;--\n" + ours(hepLines) + "--;\n"}, debian, Want{HEP: want.HEP, HEPPassword: "pw"},
			map[string]string{hepFile: "[general]\n;--\n--;\n" + ours("[general](+)\n"+hepLines)}, "", "hep"},
		{"taken out", map[string]string{hepFile: "[general]\n" + ours(hepLines) + "x=y\n", ownFile: ours(wasNone + userLines()), managerFile: "a\n" + ours("b\n"), customFile: ours("b\n")}, debian, Want{},
			map[string]string{hepFile: "[general]\nx=y\n", ownFile: "-", managerFile: "a\n", customFile: ""}, "", ""},
		{"taken out of an unknown Asterisk", map[string]string{hepFile: ours(hepLines)}, asterisk.Facts{}, Want{}, map[string]string{hepFile: ""}, "", ""},
		{"FreePBX", map[string]string{customFile: "[me]\n", managerFile: "generated"}, changed(debian, func(f *asterisk.Facts) {
			f.Manager.Includes = []string{"/etc/asterisk/manager_additional.conf", "/etc/asterisk/manager_custom.conf"}
		}), Want{AMISecret: "sec"}, map[string]string{customFile: "[me]\n" + ours(userLines())}, "", "ami"},
		{"no includes", map[string]string{managerFile: "[general]\nenabled=yes"}, changed(debian, func(f *asterisk.Facts) { f.Manager.Includes = nil }),
			Want{AMISecret: "sec"}, map[string]string{managerFile: "[general]\nenabled=yes\n" + ours(wasOpen+userLines())}, "", "ami"},
		{"from one file to another", map[string]string{managerFile: "a\n" + ours("b\n")}, debian, Want{AMISecret: "sec"},
			map[string]string{managerFile: "a\n", ownFile: ours(wasNone + userLines())}, "", "ami"},
		{"copies go to others", map[string]string{hepFile: "[general]\n"}, changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled = true }), want,
			map[string]string{ownFile: ours(wasNone + userLines())}, "copy its SIP messages to 192.168.1.1:9061", "ami"},
		{"no module", nil, changed(debian, func(f *asterisk.Facts) { f.HEP.Installed = false }), want,
			map[string]string{ownFile: ours(wasNone + userLines())}, "res_hep_pjsip is not installed", "ami"},
		{"the manager interface is off", nil, changed(debian, func(f *asterisk.Facts) { f.Manager.Enabled = false }), Want{AMISecret: "sec"},
			nil, `"voipbl pbx connect" again; or run "voipbl pbx connect --copies"`, ""},
		{"without copies", map[string]string{hepFile: "[general]\nenabled = yes\ncapture_address = 192.0.2.1:9060\n"},
			changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled = true }), Want{AMISecret: "sec"}, map[string]string{ownFile: ours(wasNone + userLines())}, "", "ami"},
		{"copies are taken out", map[string]string{hepFile: ours(wasNone + "[general]\n" + hepLines), ownFile: ours(wasNone + userLines())},
			changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled, f.HEP.To = true, "127.0.0.1:460" }), Want{AMISecret: "sec", WasHEP: want.HEP},
			map[string]string{hepFile: "-"}, "", "ami"},
		{"it is open over HTTP", nil, changed(debian, func(f *asterisk.Facts) { f.Manager.HTTP = true }), Want{AMISecret: "sec"},
			nil, "set webenabled = no", ""},
		{"it was opened over HTTP later", map[string]string{ownFile: ours(wasNone + userLines())}, changed(debian, func(f *asterisk.Facts) { f.Manager.HTTP = true }), Want{AMISecret: "sec"},
			map[string]string{ownFile: "-"}, "set webenabled = no", ""},
		{"chan_sip is loaded", nil, changed(debian, func(f *asterisk.Facts) { f.Manager.OldSIP = true }), Want{AMISecret: "sec"},
			nil, "noload = chan_sip.so", ""},
		{"it listens elsewhere", nil, changed(debian, func(f *asterisk.Facts) { f.Manager.Listens = netip.MustParseAddrPort("192.0.2.1:5038") }), Want{AMISecret: "sec"},
			nil, "set bindaddr = 127.0.0.1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := Files{}
			for name, s := range c.files {
				files[name] = &text{content: s}
			}
			p := New(files, &c.facts, c.want)
			got := map[string]string{}
			for _, f := range p.Files {
				got[f.File] = f.text
				if f.Remove {
					got[f.File] = "-"
				}
			}
			if c.texts == nil {
				c.texts = map[string]string{}
			}
			if d := cmp.Diff(c.texts, got); d != "" {
				t.Error(d)
			}
			hand := strings.Join(p.ByHand, "\n")
			if !strings.Contains(hand, c.byHand) || (hand == "") != (c.byHand == "") {
				t.Errorf("by hand: %q", hand)
			}
			if ways := strings.TrimSpace(map[bool]string{true: "hep "}[p.HEP] + map[bool]string{true: "ami"}[p.AMI]); ways != c.ways {
				t.Errorf("ways: %q", ways)
			}
		})
	}
}

// TestCommands: what Asterisk is asked for ends what voipbl has begun, even if the files have nothing of that any
// more, and nothing else.
func TestCommands(t *testing.T) {
	const unload, user = "module unload res_hep_pjsip.so; module reload res_hep.so", "; manager reload"
	copying := func(to string) asterisk.Facts {
		return changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled, f.HEP.To = true, to })
	}
	own := Files{ownFile: {content: ours(wasNone + userLines())}}
	for name, c := range map[string]struct {
		files Files
		facts asterisk.Facts
		want  Want
		asks  string
	}{
		"connected":                          {nil, debian, want, strings.Join(loadHEP, "; ") + user},
		"the manager interface alone":        {nil, debian, Want{AMISecret: "sec"}, reloadManager},
		"that is taken out":                  {own, debian, Want{}, reloadManager},
		"and others have copies":             {own, copying("192.0.2.7:9060"), Want{}, reloadManager},
		"copies are taken out":               {Files{hepFile: {content: ours(hepLines)}}, copying(want.HEP.String()), Want{WasHEP: want.HEP}, unload + user},
		"a run before was killed":            {nil, debian, Want{WasHEP: want.HEP}, unload + user},
		"others have copies by now":          {nil, copying("192.0.2.7:9060"), Want{WasHEP: want.HEP}, reloadManager},
		"an admin is to take out the lines":  {Files{hepFile: {content: begin + "\n" + hepLines}}, copying(want.HEP.String()), Want{WasHEP: want.HEP}, unload + user},
		"an admin is to end those by a link": {Files{hepFile: {bad: errNotPlain}}, copying(want.HEP.String()), Want{WasHEP: want.HEP}, unload + user},
	} {
		if got := strings.Join(New(c.files, &c.facts, c.want).Commands(), "; "); got != c.asks {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestUnusable: a file that root does not write keeps no other one from being written. What is left to do is
// said, until it is done.
func TestUnusable(t *testing.T) {
	link := &text{bad: errNotPlain}
	all := func(names ...string) Files {
		f := Files{hepFile: {content: "[general]\n"}}
		for _, n := range names {
			f[n] = link
		}
		return f
	}
	byHand := changed(debian, func(f *asterisk.Facts) {
		f.HEP.Enabled, f.HEP.To = true, want.HEP.String()
		f.Manager.Users = []string{"me", User}
	})
	want := want
	want.PasswordsIn = "/s/pbx.json"
	for _, c := range []struct {
		name          string
		files         Files
		facts         asterisk.Facts
		want          Want
		changes, ways string
		hand          []string
	}{
		{"hep.conf", all(hepFile), debian, want, ownFile, "hep ami", []string{"hep.conf: it is a link", `"hep" of /s/pbx.json`, `"capture_address = 127.0.0.1:460"`, "module load res_hep_pjsip.so"}},
		{"voipbl.conf", all(ownFile), debian, want, hepFile, "hep ami", []string{"voipbl.conf: it is a link", `"ami" of /s/pbx.json`, `"[voipbl]" "secret = PASSWORD"`, "manager reload"}},
		{"one that is not needed", all(managerFile, customFile), debian, want, hepFile + " " + ownFile, "hep ami", nil},
		{"done by hand", all(hepFile, ownFile), byHand, want, "", "hep ami", nil},
		{"copies go to others", all(hepFile), changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled = true }), want, ownFile, "ami", []string{"one address only"}},
		{"taken out", all(hepFile, ownFile), byHand, Want{}, "", "", []string{"hep.conf: it is a link", "127.0.0.1:460", "voipbl.conf: it is a link", "section [voipbl]"}},
		{"nothing to take out", all(hepFile, ownFile), debian, Want{}, "", "", nil},
	} {
		p := New(c.files, &c.facts, c.want)
		var names []string
		for _, f := range p.Files {
			names = append(names, f.File)
		}
		if got := strings.Join(names, " "); got != c.changes {
			t.Errorf("%s: changes %q", c.name, got)
		}
		hand := strings.Join(p.ByHand, "\n")
		for _, s := range c.hand {
			if !strings.Contains(hand, s) {
				t.Errorf("%s: no %q in %q", c.name, s, hand)
			}
		}
		if (hand == "") != (c.hand == nil) || strings.Contains(hand, `= sec"`) || strings.Contains(hand, `= pw"`) {
			t.Errorf("%s: by hand %q", c.name, hand)
		}
		if ways := strings.TrimSpace(map[bool]string{true: "hep "}[p.HEP] + map[bool]string{true: "ami"}[p.AMI]); ways != c.ways {
			t.Errorf("%s: ways %q", c.name, ways)
		}
	}
}

// TestRights: Asterisk can read a file with a secret, others cannot, and disconnect gives it back as it was.
func TestRights(t *testing.T) {
	asteriskUser := asterisk.Account{UID: 107, GIDs: []int{112, 29}}
	for _, c := range []struct {
		name      string
		old, then rights
		reader    asterisk.Account
	}{
		{"make samples", rights{0, 0, 0o644}, rights{0, 112, 0o640}, asteriskUser},
		{"Debian", rights{107, 112, 0o640}, rights{107, 112, 0o640}, asteriskUser},
		{"its own", rights{107, 0, 0o644}, rights{107, 0, 0o640}, asteriskUser},
		{"another of its groups", rights{0, 29, 0o664}, rights{0, 29, 0o660}, asteriskUser},
		{"a group of others, which may write", rights{0, 50, 0o664}, rights{0, 112, 0o640}, asteriskUser},
		{"Asterisk runs as root", rights{0, 0, 0o644}, rights{0, 0, 0o640}, asterisk.Account{GIDs: []int{0}}},
		{"it was made unreadable", rights{0, 0, 0o640}, rights{0, 112, 0o640}, asteriskUser},
	} {
		file := &text{content: "[general]\n", rights: c.old}
		want := want
		want.Reader = c.reader
		for range 2 { // the second run leaves it as it is
			p := New(Files{hepFile: file}, &debian, want)
			for _, ch := range p.Files {
				if ch.File == hepFile {
					file = &text{content: ch.text, rights: ch.rights}
				}
			}
			if file.rights != c.then {
				t.Errorf("%s: connected, it has %o", c.name, file.rights)
			}
		}
		p := New(Files{hepFile: file}, &debian, Want{})
		if len(p.Files) != 1 || p.Files[0].rights != c.old || p.Files[0].text != "[general]\n" {
			t.Errorf("%s: disconnected, it has %+v", c.name, p.Files)
		}
	}
}

// TestHalfBlock: a file in which voipbl's lines cannot be told from others stays as it is and is named,
// with the command that goes on. The other files get what they are to get.
func TestHalfBlock(t *testing.T) {
	freePBX := changed(debian, func(f *asterisk.Facts) { f.Manager.Includes = []string{"/etc/asterisk/manager_custom.conf"} })
	copying := changed(debian, func(f *asterisk.Facts) { f.HEP.Enabled, f.HEP.To = true, want.HEP.String() })
	user := changed(freePBX, func(f *asterisk.Facts) { f.Manager.Users = []string{User} })
	withoutCopies := Want{AMISecret: want.AMISecret}
	for _, half := range []string{begin, begin + "\n" + ours("x\n"), end, ours("") + end} {
		for _, c := range []struct {
			file, others         string
			facts                asterisk.Facts
			want                 Want
			changes, ways, again string
		}{
			{hepFile, "", debian, want, ownFile, "ami", "connect --copies"},
			{hepFile, "", copying, want, ownFile, "hep ami", "connect --copies"},
			{hepFile, "", debian, withoutCopies, ownFile, "ami", "connect"},
			{managerFile, "", debian, want, hepFile + " " + ownFile, "hep ami", "connect"},
			{customFile, "", freePBX, want, hepFile, "hep", "connect"},
			{customFile, "", user, want, hepFile, "hep ami", "connect"},
			{hepFile, ours("b\n"), debian, Want{}, customFile, "", "disconnect"},
			{managerFile, ours("b\n"), debian, Want{}, customFile, "", "disconnect"},
		} {
			f := Files{c.file: {content: half}}
			if c.others != "" {
				f[customFile] = &text{content: c.others}
			}
			p := New(f, &c.facts, c.want)
			if got := p.changes(); got != c.changes || p.ways() != c.ways {
				t.Errorf("%s %q: changes %q, ways %q", c.file, half, got, p.ways())
			}
			if len(p.ByHand) != 1 || !strings.HasPrefix(p.ByHand[0], "/etc/asterisk/"+c.file+": voipbl's lines in it have lost") ||
				!strings.HasSuffix(p.ByHand[0], "take them out by hand, then run \"voipbl pbx "+c.again+"\" again") {
				t.Errorf("%s %q: by hand %q", c.file, half, p.ByHand)
			}
		}
	}
}

// changes are the names of the files that change.
func (p Plan) changes() string {
	var names []string
	for _, f := range p.Files {
		names = append(names, f.File)
	}
	return strings.Join(names, " ")
}

func (p Plan) ways() string {
	return strings.TrimSpace(map[bool]string{true: "hep "}[p.HEP] + map[bool]string{true: "ami"}[p.AMI])
}

// TestNoTrace: connected, twice, and disconnected, the folder is what it was, byte by byte, and has what
// others have written meanwhile.
func TestNoTrace(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		more  string // what others write meanwhile, to the end of each file
	}{
		"an open last line":       {map[string]string{hepFile: "[general]\nenabled = no", managerFile: "[general]", ownFile: "[crm]"}, "; more\n[x]\ny=z"},
		"a whole last line":       {map[string]string{hepFile: "[general]\n", ownFile: "; mine\n[crm]\nsecret = x\n"}, "; more"},
		"CR LF":                   {map[string]string{hepFile: "[general]\r\nenabled = no\r\n"}, ";--\r\n"},
		"an open CR":              {map[string]string{hepFile: "[general]\r\nenabled = no\r", ownFile: "; mine\r"}, "; more"},
		"a byte order mark":       {map[string]string{hepFile: "\uFEFF[general]\n", ownFile: "\uFEFF"}, "; more"},
		"no file, no folder":      {nil, "; more"},
		"an empty file, a folder": {map[string]string{hepFile: "", "manager.d/README.conf": "; x"}, "; more"},
		"empty files":             {map[string]string{hepFile: "", ownFile: ""}, "; more"},
	} {
		for _, more := range []string{"", c.more} {
			folder := t.TempDir()
			for file, text := range c.files {
				if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(file)), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(folder, file), text, 0o640)
			}
			before := contents(t, folder)
			for run := range 2 {
				p := planned(t, folder, want)
				if run == 1 && len(p.Files) > 0 {
					t.Errorf("%s: again: %+v", name, p.Files)
				}
				if err := p.Apply(folder); err != nil {
					t.Fatal(err)
				}
			}
			if info, err := os.Stat(filepath.Join(folder, ownFolder)); err != nil || info.Mode().Perm() != folderMode {
				t.Errorf("%s: %v, %v", name, info, err)
			}
			for _, file := range []string{hepFile, ownFile} {
				if more == "" {
					break
				}
				write(t, filepath.Join(folder, file), contents(t, folder)[file]+more, 0o640)
				if was := before[file]; was != "" && !strings.HasSuffix(was, "\n") {
					before[file] += "\n"
				}
				before[file] += more
				before[ownFolder] = "a folder"
			}
			if err := planned(t, folder, Want{}).Apply(folder); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before, contents(t, folder)); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

// contents are the files and folders below a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(folder, path)
		if err != nil || d.IsDir() {
			all[name] = "a folder"
			return err
		}
		text, err := os.ReadFile(path)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFullDisk: where there is no room, each file is as it was or as it is to be, nothing lies beside it,
// and a second run with room finishes. Disconnected, all is as it was.
func TestFullDisk(t *testing.T) {
	testns.Enter(t)
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil { // this thread's, which ends with the test
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Want{want, {AMISecret: want.AMISecret}} { // the second one begins with a folder
		folder := t.TempDir()
		if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(folder, 0)
		write(t, filepath.Join(folder, hepFile), "[general]\n", 0o640)
		before := contents(t, folder)
		filler := filepath.Join(folder, "filler")
		if err := os.WriteFile(filler, make([]byte, 64<<10), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("the disk is not full: %v", err)
		}
		if err := planned(t, folder, want).Apply(folder); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("applied on a full disk: %v", err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, contents(t, folder)); d != "" {
			t.Errorf("%+v: %s", want, d)
		}
		if err := planned(t, folder, want).Apply(folder); err != nil {
			t.Error(err)
		}
		if p := planned(t, folder, want); len(p.Files) > 0 {
			t.Errorf("something is left: %+v", p.Files)
		}
		if err := planned(t, folder, Want{}).Apply(folder); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(before, contents(t, folder)); d != "" {
			t.Errorf("%+v, disconnected: %s", want, d)
		}
	}
}

// TestLeftOver: what a killed run has left beside the files is removed, with a second run and with
// disconnect. What somebody has put there stays, and keeps nobody from disconnecting.
func TestLeftOver(t *testing.T) {
	aside := ownFolder + beside
	for name, c := range map[string]struct {
		left, then []string // files and folders
		none       bool     // there is no folder before
	}{
		"files":                         {left: []string{hepFile + beside, ownFile + beside, customFile + beside}},
		"a folder":                      {left: []string{aside + "/"}, none: true},
		"with a file":                   {left: []string{aside + "/voipbl.conf", aside + "/voipbl.conf" + beside}, none: true},
		"with a file of others":         {left: []string{aside + "/voipbl.conf", aside + "/x.conf"}, then: []string{ownFolder + "/x.conf"}, none: true},
		"with one, and there is a new":  {left: []string{aside + "/x.conf"}, then: []string{aside + "/x.conf"}},
		"a folder of others for a file": {left: []string{managerFile + beside + "/x"}, then: []string{managerFile + beside + "/x"}},
	} {
		for _, w := range []Want{want, {}} {
			folder := t.TempDir()
			make := func(folder string, files []string) {
				for _, file := range files {
					if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(file+"x")), 0o755); err != nil {
						t.Fatal(err)
					}
					if !strings.HasSuffix(file, "/") {
						write(t, filepath.Join(folder, file), "x", 0o640)
					}
				}
			}
			make(folder, c.left)
			if !c.none {
				make(folder, []string{ownFolder + "/"})
			}
			if err := planned(t, folder, w).Apply(folder); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := planned(t, folder, Want{}).Apply(folder); err != nil {
				t.Errorf("%s, disconnected: %v", name, err)
			}
			then := t.TempDir()
			make(then, c.then)
			if !c.none {
				make(then, []string{ownFolder + "/"})
			}
			if d := cmp.Diff(contents(t, then), contents(t, folder)); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

// TestApply: a file keeps its owner; its secret is not for others; a second run has nothing to do.
func TestApply(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, hepFile), "[general]\n", 0o644)
	if err := os.Mkdir(filepath.Join(folder, ownFolder), 0o755); err != nil {
		t.Fatal(err)
	}
	p := planned(t, folder, want)
	if err := p.Apply(folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{hepFile, ownFile} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode() != 0o640 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if p := planned(t, folder, want); len(p.Files) > 0 {
		t.Errorf("again: %+v", p.Files)
	}
	if err := p.Apply(folder); err == nil || !strings.Contains(err.Error(), "changed it meanwhile") {
		t.Errorf("the old plan: %v", err)
	}
	if err := planned(t, folder, Want{}).Apply(folder); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(folder, hepFile))
	left, _ := os.ReadDir(filepath.Join(folder, "manager.d"))
	info, _ := os.Stat(filepath.Join(folder, hepFile))
	if string(got) != "[general]\n" || err != nil || len(left) > 0 || info.Mode() != 0o644 {
		t.Errorf("taken out: %q %v, %v, %v", got, err, left, info.Mode())
	}
}

// TestLinks: the folder is that of Asterisk's user, who may be an attacker.
func TestLinks(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "shadow")
	write(t, secret, "root:hash\n", 0o600)
	for _, name := range []string{hepFile, managerFile, ownFile, "manager.d"} {
		for kind, link := range map[string]func(old, new string) error{"a link": os.Symlink, "a hard link": os.Link} {
			folder := t.TempDir()
			target := secret
			if name == "manager.d" {
				target, kind = t.TempDir(), "a link"
				link = os.Symlink
			} else if err := os.Mkdir(filepath.Join(folder, "manager.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := link(target, filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
			files, err := Read(folder)
			file := map[string]string{"manager.d": ownFile}[name]
			if file == "" {
				file = name
			}
			if err != nil || files[file].unusable() == nil || files[file].string() != "" {
				t.Errorf("%s as %s is read: %v", name, kind, err)
			}
		}
	}
	// One that comes between reading and writing.
	folder := t.TempDir()
	p := planned(t, folder, Want{HEP: want.HEP})
	if err := os.Symlink(secret, filepath.Join(folder, hepFile)); err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(folder); err == nil {
		t.Error("a link is written over")
	}
	if got, err := os.ReadFile(secret); string(got) != "root:hash\n" {
		t.Errorf("the other file: %q %v", got, err)
	}
}

func planned(t *testing.T, folder string, want Want) Plan {
	t.Helper()
	files, err := Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	return New(files, &debian, want)
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
