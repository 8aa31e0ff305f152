package friends_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/voipbl/voipbl/internal/testfail2ban"
)

// maxretry is the maxretry of all jails in this test. It is lower than the shipped one,
// so that an attack does not reach the limits of the base rules first.
const maxretry = 4

// ownLog is the log that the lab itself writes.
const ownLog = "attacks.log"

// jail starts fail2ban with one of our jails, in place of the previous one. It reads
// Asterisk's logs; instead of sshd's log it reads ownLog.
func (l *lab) jail(name, settings string) {
	l.Helper()
	if name == "voipbl-ssh" {
		l.startJail(name, l.path(ownLog), settings)
		return
	}
	l.startJail(name, l.asterisk.LogFile("messages.log")+"\n          "+l.asterisk.LogFile("security.log"), settings)
}

// jailOfLines starts fail2ban with a jail as shipped, which reads ownLog.
func (l *lab) jailOfLines(name string) {
	l.Helper()
	l.startJail(name, l.path(ownLog), "")
}

func (l *lab) startJail(name, logs, settings string) {
	l.Helper()
	l.stopFail2ban()
	l.must(os.RemoveAll(l.path("etc")))
	l.must(os.CopyFS(l.path("etc"), os.DirFS("/etc/fail2ban")))
	l.must(os.RemoveAll(l.path("etc/jail.d"))) // it may contain jails of this machine
	for _, folder := range []string{"filter.d", "action.d", "jail.d"} {
		l.must(os.MkdirAll(l.path("etc/"+folder), 0o700))
		files, err := filepath.Glob("../../packaging/fail2ban/" + folder + "/*.conf")
		l.must(err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			l.must(err)
			// The jail names its own path, which differs here.
			text = bytes.ReplaceAll(text, []byte("/etc/fail2ban/jail.d/"), []byte(l.path("etc/jail.d")+"/"))
			l.write("etc/"+folder+"/"+filepath.Base(f), string(text))
		}
	}
	l.write(ownLog, "")
	l.write("fail2ban.log", "")
	l.write("etc/fail2ban.local", "[Definition]\nloglevel = INFO\nlogtarget = DIR/fail2ban.log\nsocket = DIR/socket\npidfile = DIR/pid\ndbfile = None\nallowipv6 = yes\n")
	l.write("etc/jail.d/voipbl.local", fmt.Sprintf("[DEFAULT]\nusedns = no\nignoreself = false\nignoreip =\n[%s]\nenabled = true\nbackend = polling\nlogpath = %s\nmaxretry = %d\n%s\n", name, logs, maxretry, settings))
	l.fail2ban = testfail2ban.Start(l.T, l.env, testfail2ban.Options(l.path("etc"), l.dir)...)
	l.eventually("fail2ban answers", func() bool { return testfail2ban.Answers(l.dir) })
}

// stopFail2ban stops fail2ban as its service does: it removes its bans and its rules.
func (l *lab) stopFail2ban() {
	l.Helper()
	if l.fail2ban == nil {
		return
	}
	l.must(l.fail2ban.Process.Signal(syscall.SIGTERM))
	l.must(l.fail2ban.Wait())
	l.fail2ban = nil
}

// lines writes enough lines of an attack into ownLog for a ban.
func (l *lab) lines(layout string, line func() string) {
	l.Helper()
	f, err := os.OpenFile(l.path(ownLog), os.O_APPEND|os.O_WRONLY, 0)
	l.must(err)
	defer f.Close()
	for range maxretry {
		_, err = fmt.Fprintf(f, "%s %s\n", time.Now().Format(layout), line())
		l.must(err)
	}
}
