package agent

import (
	"context"

	"github.com/voipbl/voipbl/config"
)

// takeFriends exempts the hosts that a configuration adds to allow and trunks, even if it is
// refused for another reason, such as a friend that it removes. So a friend whose address
// changes is not cut off, neither by the old address nor by the new one.
func (d *daemon) takeFriends(ctx context.Context, cfg config.Config, refused error) {
	if refused == nil {
		return
	}
	if more := d.cfg.WithFriends(cfg); !more.Equal(d.cfg) {
		d.log.Info("addresses that the refused configuration exempts are exempt too")
		d.adopt(ctx, more)
	}
}
