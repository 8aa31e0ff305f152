package fail2ban

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/internal/shell"
)

func TestClassifyAction(t *testing.T) {
	ipset := map[string]string{"name": "ASTERISK", "ipmset": "f2b-<name>", "ipmset?family=inet6": "f2b-<name>6"}
	for _, c := range []struct {
		name, ban  string
		properties map[string]string
		want       Action
	}{
		// These are stock actions as fail2ban 0.11.2, 1.0.2 and 1.1.1 report them.
		{"iptables-multiport", "<iptables> -I f2b-x 1 -s <ip> -j <blocktype>",
			map[string]string{"iptables": "iptables <lockingopt>", "iptables?family=inet6": "ip6tables <lockingopt>", "lockingopt": "-w", "blocktype": "REJECT"},
			Action{Into: IntoChain, Target: "f2b-x"}},
		{"iptables-ipset-proto6 1.0.2", "ipset -exist add <ipmset> <ip> timeout 0", ipset, Action{Into: IntoSet, Target: "f2b-ASTERISK", Target6: "f2b-ASTERISK6"}},
		{"iptables-ipset-proto6 0.11.2", "ipset add <ipmset> <ip> timeout 0 -exist", ipset, Action{Into: IntoSet, Target: "f2b-ASTERISK", Target6: "f2b-ASTERISK6"}},
		{"iptables-ipset-proto4", "ipset --test f2b-x <ip> ||  ipset --add f2b-x <ip>", nil, Action{Into: IntoSet, Target: "f2b-x"}},
		{"nftables", `nft add element inet f2b-table <addr_set> \{ <ip> \}`, map[string]string{"addr_set": "addr-set-x", "addr_set?family=inet6": "addr6-set-x"},
			Action{Into: IntoNFTables, Target: "inet f2b-table addr-set-x", Target6: "inet f2b-table addr6-set-x"}},
		{"ufw", "if [ -n \"\" ] && ufw app info \"\"\nthen\n  ufw prepend reject from <ip> to any app \"\" comment \"by <failures>\"\nelse\n  ufw prepend reject from <ip> to any\nfi", nil,
			Action{Into: IntoChain, Target: "ufw-user-input", Target6: "ufw6-user-input"}},
		{"firewallcmd-new", "firewall-cmd --direct --add-rule <family> filter f2b-x 0 -s <ip> -j REJECT", map[string]string{"family": "ipv4", "family?family=inet6": "ipv6"},
			Action{Into: IntoChain, Target: "f2b-x"}},
		{"firewallcmd-rich-rules", `ports="5060"; for p in $(echo $ports | tr ", " " "); do firewall-cmd --add-rich-rule="rule family='<family>' source address='<ip>' reject"; done`, nil, Action{Into: IntoOther}},
		{"firewallcmd-ipset of firewalld", "firewall-cmd --ipset=<ipmset> --add-entry=<ip>", ipset, Action{Into: IntoOther}},
		{"route", "ip route add unreachable <ip>", nil, Action{Into: IntoOther}},
		{"mail", "printf %b \"Hi,\nThe IP <ip> has just been banned\nipset add x <ip>\"|mail -s \"[Fail2Ban] <ip>\" root", nil, Action{Into: IntoOther}},
		{"dummy", "printf %b \"+<ip>\\n\" >> /run/x\necho \"banned <ip>\"", nil, Action{Into: IntoOther}},
		{"iptables-xt_recent-echo", "echo +<ip> > /proc/net/xt_recent/<iptname>", map[string]string{"iptname": "f2b-x"}, Action{Into: IntoOther}},
		{"a Python action", "", nil, Action{Into: IntoOther}},

		// These are actions that admins write.
		{"ours", `voipbl ban <ip> --for <bantime>s --reason "fail2ban: x"`, nil, Action{Into: IntoVoipbl}},
		{"ours with a path", `/usr/sbin/voipbl --config /etc/x ban "<ip>"`, nil, Action{Into: IntoVoipbl}},
		{"ours, or else", `voipbl ban <ip> || ipset add f2b-x <ip>`, nil, Action{Into: IntoVoipbl}},
		{"another verb of ours", `voipbl check <ip>`, nil, Action{Into: IntoOther}},
		{"by stdin", "printf 'add f2b-x <ip> timeout %s\\n' 5 | ipset -exist restore || exit 1", nil, Action{Into: IntoSet, Target: "f2b-x"}},
		{"by stdin, into two sets", "printf 'add <own> <ip> timeout %s\\nadd <members> <ip> timeout %s\\n' $left $left | ipset -exist restore || exit 1", map[string]string{"members": "fail2ban-ASTERISK", "members?family=inet6": "fail2ban-ASTERISK6", "own": "own-x", "own?family=inet6": "own-x6"}, Action{Into: IntoSet, Target: "own-x", Target6: "own-x6"}},
		{"a here-document", "ipset restore -! <<E\nadd f2b-x <ip>\nE\n", nil, Action{Into: IntoSet, Target: "f2b-x"}},
		{"of a restore without the address", "echo add x 192.0.2.1 | ipset restore; true <ip>", nil, Action{Into: IntoOther}},
		{"rules by stdin", "printf '*filter\\n-I BLOCK -s <ip> -j DROP\\nCOMMIT\\n' | iptables-restore -n", nil, Action{Into: IntoChain, Target: "BLOCK"}},
		{"rules by stdin, legacy", "echo -e '*filter\\n-A BLOCK -s <ip> -j DROP\\nCOMMIT' | /usr/sbin/iptables-legacy-restore --noflush", nil, Action{Into: IntoChain, Target: "BLOCK"}},
		{"nft by stdin", "echo 'add element inet f2b-table set { <ip> }' | nft -f -", nil, Action{Into: IntoNFTables, Target: "inet f2b-table set"}},
		{"in a script", "sh -c 'ipset add f2b-x <ip>'", nil, Action{Into: IntoSet, Target: "f2b-x"}},
		{"by xargs", "echo <ip> | xargs ipset add f2b-x", nil, Action{Into: IntoSet, Target: "f2b-x"}},
		{"a name in a variable", "set=f2b-x\nipset add $set <ip>", nil, Action{Into: IntoSet, Target: "f2b-x"}},
		{"ours, and what it says", "said=$(voipbl ban --widen <ip> 2>&1)\ncase $? in 0|3) exit 0;; esac", nil, Action{Into: IntoVoipbl}},
		{"after a mail", "echo \"<ip>\" | mail root\nsudo /usr/sbin/ipset -! add fail2ban-ASTERISK <ip>", nil, Action{Into: IntoSet, Target: "fail2ban-ASTERISK"}},
		{"iptables by its path", "/sbin/iptables -w 5 -t raw -I BLOCK -s <ip> -j DROP", nil, Action{Into: IntoChain, Target: "BLOCK"}},
		{"a rule that is not about the address", "iptables -I INPUT -p udp -j LOG; true <ip>", nil, Action{Into: IntoOther}},
		{"a set without a family in nft", "nft 'add element filter blocked { <ip> }'", nil, Action{Into: IntoNFTables, Target: "ip filter blocked"}},
		{"a rule of nft", "nft add rule inet filter input ip saddr <ip> drop", nil, Action{Into: IntoNFTables}},
		{"another tag for the address", "ipset add x <F-ID>", nil, Action{Into: IntoSet, Target: "x"}},
		{"a tag that nobody knows", "ipset add <nobody> <ip>", nil, Action{Into: IntoOther}},
		{"a name that the shell computes", "ipset add $(cat /etc/set) <ip>", nil, Action{Into: IntoOther}},
		{"tags in a circle", "ipset add <a> <ip>", map[string]string{"a": "<b>", "b": "<a>"}, Action{Into: IntoOther}},
		{"the address is not a property", "ipset add x <ip>", map[string]string{"ip": "1.2.3.4"}, Action{Into: IntoSet, Target: "x"}},
	} {
		properties := map[string]string{"actionban": c.ban}
		for k, v := range c.properties {
			properties[k] = v
		}
		c.want.Name = c.name
		if d := cmp.Diff(c.want, classifyAction(c.name, properties)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// FuzzBanAction: a target is a word of the text as it is run; only a command with the address
// counts; a command before it changes nothing.
func FuzzBanAction(f *testing.F) {
	for _, seed := range [][2]string{
		{"ipset add <x> <ip>", "f2b-y"}, {`nft add element inet a <x> \{ <ip> \}`, "set"}, {"<x> -I f2b 1 -s <ip>", "iptables -w"},
		{"if a; then voipbl ban <ip>", ""}, {"firewall-cmd --direct --add-rule ipv4 filter <x> 0 -s <ip>", "c"}, {"ipset add x <x>", "<x><x>"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		properties := map[string]string{"actionban": text, "x": value}
		a := classifyAction("x", properties)
		run := resolveTags(text, properties, "inet4")
		if len(run) > maxBanText && len(text) <= maxBanText {
			t.Errorf("%d bytes became %d", len(text), len(run))
		}
		switch a.Into {
		case IntoOther, IntoVoipbl:
			if a.Target+a.Target6 != "" {
				t.Errorf("%q: %s into %q", text, a.Into, a.Target)
			}
		case IntoSet, IntoChain:
			if a.Target == "" || strings.ContainsAny(a.Target, "<>$`") {
				t.Errorf("%q: into %q", text, a.Target)
			}
		case IntoNFTables:
			if words := strings.Fields(a.Target); a.Target != "" && len(words) != 3 {
				t.Errorf("%q: into %q", text, a.Target)
			}
		default:
			t.Errorf("%q: %q", text, a.Into)
		}
		if a.Into != IntoOther && !shell.Tag().MatchString(run) {
			t.Errorf("%q has no address and goes into %s", text, a.Into)
		}
		properties["actionban"] = "echo 'x' \"<ip>\"; logger -- <ip>\n" + text
		if later := classifyAction("x", properties); later != a {
			t.Errorf("%q: %+v, and after another command %+v", text, a, later)
		}
	})
}
