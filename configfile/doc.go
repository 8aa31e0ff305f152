// Package configfile reads the configuration file and explains what is wrong with it. It also
// replaces the file in one step, and keeps a copy of the old one beside it.
//
// It does not know the keys: package config does. cmd/voipbl and setup import it. Whether the file
// counts or the running agent's configuration is for package takeover.
package configfile
