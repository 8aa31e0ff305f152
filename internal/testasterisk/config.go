package testasterisk

import "fmt"

// Logger is the default logger.conf, with the logs that fail2ban reads.
const Logger = `[general]
dateformat = %F %T
[logfiles]
messages.log => notice,warning,error
security.log => security
`

// Transports is the start of a pjsip.conf: UDP and TCP of both families, on port 5060.
const Transports = `
[udp4]
type = transport
protocol = udp
bind = 0.0.0.0:5060
[udp6]
type = transport
protocol = udp
bind = [::]:5060
[tcp4]
type = transport
protocol = tcp
bind = 0.0.0.0:5060
[tcp6]
type = transport
protocol = tcp
bind = [::]:5060
`

// Extensions is an extensions.conf with one number, 200, that answers.
const Extensions = `[default]
exten => 200,1,Answer()
same => n,Echo()
`

// Phone is a part of pjsip.conf: an account with a password, for up to
// maxContacts phones.
func Phone(user, password string, maxContacts int) string {
	return fmt.Sprintf(`
[%[1]s]
type = endpoint
context = default
disallow = all
allow = ulaw
auth = %[1]s
aors = %[1]s
[%[1]s]
type = auth
auth_type = userpass
username = %[1]s
password = %[2]s
[%[1]s]
type = aor
max_contacts = %[3]d
`, user, password, maxContacts)
}

// Trunk is a part of pjsip.conf: a provider, known by addresses or a name.
func Trunk(name, match string) string {
	return fmt.Sprintf(`
[%[1]s]
type = endpoint
context = default
disallow = all
allow = ulaw
aors = %[1]s
[%[1]s]
type = aor
contact = sip:%[2]s
[%[1]s]
type = identify
endpoint = %[1]s
match = %[2]s
`, name, match)
}
