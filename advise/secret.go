package advise

// SecretShown is what to say of a configuration that every user of this host may read, though
// there is a secret in it.
func SecretShown(file string) Finding {
	return Finding{
		Code: SecretReadable, Severity: Warning,
		Text:   "every user of this host can read " + file + ", and there is a secret in it (report.serial, or a key in the URL of a feed)",
		Why:    "whoever knows the key can use it in your name",
		Remedy: "chmod 640 " + file,
	}
}

// secret looks at who may read the configuration.
func (d *doctor) secret() {
	if d.SecretFile != "" {
		d.found = append(d.found, SecretShown(d.SecretFile))
	}
}
