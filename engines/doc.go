// Package engines finds the telephony programs installed on this machine, with their versions, and
// whether they run. It also reads where FreeSWITCH, Kamailio and OpenSIPS are configured to listen
// for SIP.
//
// It only reads, and leaves the configuration of Asterisk to package asterisk. survey imports it.
package engines
