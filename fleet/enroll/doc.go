// Package enroll takes hosts into a fleet and out of it, and sets up the hub: it writes the files of the
// hub's NATS server and of the hosts, and starts or ends the units that use them.
//
// Each verb compares what should be with what is there, and writes only what differs. So each can be run
// again at any time: one that was killed is finished by the next run, whatever it had done. With a dry
// run, the same comparison is made and nothing is written.
//
// The values (keys, credentials, rights, the text of the server's configuration) are package keys'. Which
// bans are shared, and with whom, is not decided here.
package enroll
