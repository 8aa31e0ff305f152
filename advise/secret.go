package advise

// SecretShown is the finding for a configuration that has a secret and that every user of this
// host can read.
func SecretShown(file string) Finding {
	return Finding{
		Code: SecretReadable, Severity: Warning,
		Text:   "every user of this host can read " + file + ", and there is a secret in it (report.serial, or a key in the URL of a feed)",
		Why:    "whoever knows the key can use it in your name",
		Remedy: "chmod 640 " + file,
	}
}

// secret checks who can read the configuration.
func (d *doctor) secret() {
	if d.SecretFile != "" {
		d.found = append(d.found, SecretShown(d.SecretFile))
	}
}
