// Package setup is the first run of voipbl on a host, "voipbl setup". It looks at the host,
// proposes a configuration, asks the admin, writes the configuration and applies it.
//
// It does not decide what to propose: package advise does. cmd/voipbl imports it. It stands on
// survey for the facts, on configfile for writing the file, on blocklist for the sync and on trial
// for base rules.
package setup
