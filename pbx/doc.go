// Package pbx tells which telephony programs are installed on this machine, in which version,
// whether they run, and where the configurations of FreeSWITCH, Kamailio and OpenSIPS have
// them listen for SIP.
//
// It only reads. What Asterisk's configuration says is the business of package asterisk.
package pbx
