package asterisk

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
)

// register builds a REGREQ of IAX2 (RFC 5456, 6.1.2) for a user, with a call number.
func register(call byte, user string) []byte {
	const fullFrame, controlIAX, regreq, usernameIE = 0x80, 6, 13, 6
	frame := []byte{fullFrame, call, 0, 0, 0, 0, 0, 1, 0, 0, controlIAX, regreq}
	return append(append(frame, usernameIE, byte(len(user))), user...)
}

// TestIAXAuthDebug: Asterisk does not log failed registrations until authdebug is on, as doctor
// says.
func TestIAXAuthDebug(t *testing.T) {
	for _, debug := range []string{"no", "yes"} {
		t.Run(debug, func(t *testing.T) {
			testns.Enter(t)
			iax := "[general]\nauthdebug = " + debug + "\nrequirecalltoken = no\ncalltokenoptional = 0.0.0.0/0.0.0.0\ndelayreject = no\n"
			a := testasterisk.Start(t, map[string]string{
				"iax.conf": iax, "pjsip.conf": testasterisk.Transports, "extensions.conf": testasterisk.Extensions,
			})
			if x := readIAX2(parseAsterisk(source{"iax.conf", iax}, none, false)); x.AuthDebug != (debug == "yes") {
				t.Errorf("read as %+v", x)
			}
			conn, err := net.Dial("udp4", "127.0.0.1:4569")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(register(7, "stranger")); err != nil {
				t.Fatal(err)
			}
			// An answer, reject or challenge, means that it has handled the request.
			if _, err := conn.Read(make([]byte, 1500)); err != nil {
				t.Fatal("no answer: ", err)
			}
			if debug == "yes" {
				a.AwaitLog("messages.log", "stranger")
			} else if log := a.Log("messages.log"); strings.Contains(log, "stranger") {
				t.Errorf("it is logged all the same:\n%s", log)
			}
		})
	}
}
