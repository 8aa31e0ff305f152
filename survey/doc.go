// Package survey puts together all that is found out about the machine that voipbl runs on,
// in one value: [Look] makes [Facts]. It is what "voipbl setup" proposes from and "voipbl
// doctor" looks through.
//
// What is found out stands in the packages that it asks: host, logins, asterisk, pbx,
// fail2ban and voipblsh. What the rules of the firewall are is not its business, but that of
// packages firewall and reach. It only looks: nothing is changed, and what cannot be found
// out is absent, with the reason among Unknown.
package survey
