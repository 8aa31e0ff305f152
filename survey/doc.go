// Package survey collects all that is known about this machine into one value: [Look] returns
// [Facts]. "voipbl setup" makes its proposal from them, and "voipbl doctor" its findings.
//
// It only looks and changes nothing; what it cannot find out goes into Unknown, with the reason. It
// does not read the firewall's rules: packages firewall, nft and reach do. advise, setup, show and
// cmd/voipbl import it. It stands on host, logins, asterisk, engines, fail2ban and voipblsh, which
// look. [Unconnected] compares Asterisk's files with what package pbx/connect would write.
package survey
