// Package connect writes the parts of Asterisk's configuration by which Asterisk tells voipbl what it
// sees, and takes them out again: the copies of SIP messages (hep.conf), and a user of the manager
// interface (manager.d/voipbl.conf, manager_custom.conf on FreePBX, or manager.conf).
//
// [Read] reads the files, [New] decides which texts they get, and [Plan.Apply] writes them; between
// these nothing is changed. What others have written stays: voipbl's lines stand between two marks, also in
// the file that has voipbl's name.
//
// Asterisk's user owns these files, and may be an attacker who wants root to write elsewhere: so links
// are never followed, and nothing outside of the folder is read or written.
package connect
