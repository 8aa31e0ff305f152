package setup

import (
	"context"

	"github.com/voipbl/voipbl/pbx/connect"
)

// mayConnect reports whether there is an Asterisk that voipbl is not connected with.
func (s *setup) mayConnect() bool { return s.report.Facts.Asterisk != nil && !s.watched }

// agreeConnect asks whether to connect Asterisk, and by what.
func (s *setup) agreeConnect(ctx context.Context) (err error) {
	if !s.mayConnect() {
		return nil
	}
	if !s.Connect {
		s.Connect, err = s.asks.Yes(ctx, "Connect Asterisk, so that voipbl spares its phones and bans who attacks it?", true)
	}
	if err != nil || !s.Connect || s.Copies != nil || !s.report.Facts.Asterisk.HEP.Free() {
		return err
	}
	why, _ := connect.Unused(s.report.Facts.Asterisk.Manager)
	only := why != ""
	if only {
		s.Folded("voipbl does without Asterisk's manager interface: " + why + ". Asterisk can copy its SIP messages to voipbl instead: " + copiesDo)
	} else {
		s.Folded(unproved + " Asterisk can copy its SIP messages to voipbl, too: " + copiesDo)
	}
	copies, err := s.asks.Yes(ctx, "Copy the SIP messages?", only)
	s.Copies = &copies
	return err
}

// connectAsterisk connects Asterisk once all else is in force. It returns whether something is left to
// be done.
func (s *setup) connectAsterisk(ctx context.Context) (left bool) {
	if !s.Connect {
		return false
	}
	done, err := Connect(ctx, s.Screen, ConnectOptions{ConfigFile: s.ConfigFile, Root: s.Look.Root, Copies: s.Copies, Wait: s.Wait})
	s.report.Connected = done
	if done.Error != nil && !s.JSON {
		s.ShowError(done.Error.Err())
	}
	return err != nil
}

// connectNext says how to connect Asterisk later. It is empty if that was tried, or there is none.
func (s *setup) connectNext() string {
	if !s.mayConnect() || s.report.Connected != nil {
		return ""
	}
	return `"voipbl pbx connect" has Asterisk tell voipbl which phones to spare and whom to ban`
}
