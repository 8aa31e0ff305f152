// Package setup is the first run: it looks at the host, proposes a configuration, asks whoever sits
// at the terminal, writes it and puts it in force.
//
// What to propose is package advise's to say; rules are applied by package rules, as by
// "voipbl firewall apply".
package setup
