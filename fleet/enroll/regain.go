package enroll

import (
	"time"
)

// regain takes over who is revoked in the server's configuration and not in fleet.json: that is an old copy
// which was put back.
func (h *hubRun) regain() error {
	conf, err := read(h.path(serverConf), maxFile)
	if err != nil || conf == nil {
		return err
	}
	h.regained, err = h.op.Regain(string(conf.text), time.Now())
	return err
}

// sayRegained notes once what regain has found.
func (h *hubRun) sayRegained() {
	if len(h.regained) == 0 {
		return
	}
	h.note("%s is an older copy: it lacked what the server has revoked (%d). Those keys stay revoked. Hosts that were added after that copy are still admitted: \"voipbl fleet status\" shows the key of each that is connected, and \"voipbl fleet revoke\" takes such a key",
		h.path(operator), len(h.regained))
	h.regained = nil
}
