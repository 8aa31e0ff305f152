package watch

import (
	"cmp"

	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/ami"
	"github.com/voipbl/voipbl/pbx/link"
)

// manager is Asterisk's manager interface, as a source.
type manager struct {
	*source
	client *ami.Client
}

func newManager(s link.Settings) *manager {
	client, err := ami.New(ami.Settings{Address: s.AMI, User: link.AMIUser, Secret: s.AMISecret, RunsAs: s.RunsAs})
	m := &manager{&source{name: "Asterisk's manager interface"}, client}
	m.begin = func() (pbx.Source, error) {
		if err != nil {
			return nil, err
		}
		return client, nil // it connects again by itself
	}
	return m
}

// sip is how many events about SIP requests have come.
func (m *manager) sip() uint64 {
	if m.client == nil {
		return 0
	}
	return m.client.Health().SIP
}

// health says how it is.
func (m *manager) health() *link.AMI {
	if m.client == nil {
		return &link.AMI{Error: m.failed()}
	}
	h := m.client.Health()
	return &link.AMI{Connected: h.Since, Events: h.Events, Dropped: h.Dropped, Error: cmp.Or(h.Problem, h.Contacts)}
}
