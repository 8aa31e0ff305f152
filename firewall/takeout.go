package firewall

import (
	"context"
	"fmt"
	"strings"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// TakeOutScript removes the rules and the chain of the published script, in one transaction.
func (fw *Firewall) TakeOutScript(ctx context.Context, f iptables.Family, script iptwalk.Script) error {
	if script.Nothing() {
		return nil
	}
	var text strings.Builder
	text.WriteString("*filter\n")
	for _, r := range script.Rules {
		fmt.Fprintf(&text, "-D%s\n", strings.TrimPrefix(r, "-A"))
	}
	if script.Chain {
		fmt.Fprintf(&text, "-F %[1]s\n-X %[1]s\n", iptwalk.ScriptChain)
	}
	text.WriteString("COMMIT\n")
	_, err := start(ctx, text.String(), fw.tool(f, "restore"), "--noflush", "-w", lockWait).wait()
	return err
}
