package firewall

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// listTimeout bounds one listing; 2,000 rules take 8 ms.
const listTimeout = 10 * time.Second

// RulesWithSet returns the rules that match against the ipset called name, each
// with the tool that lists it, such as "iptables-nft: -A INPUT …". It is for
// error messages: a tool that is not there or fails has no rules.
//
// The legacy tools are asked only where the kernel has legacy tables, for
// asking creates them.
func RulesWithSet(ctx context.Context, name string) []string {
	var rules []string
	for _, tool := range listers() {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		out, err := exec.CommandContext(ctx, tool+"-save").Output()
		cancel()
		if err != nil {
			continue
		}
		for _, rule := range matchSet(out, name) {
			rules = append(rules, tool+": "+rule)
		}
	}
	return rules
}

// Drops reports whether one of the rules drops the set's members where packets
// come in. A chain that INPUT jumps to is not looked into.
func Drops(rules []string, name string) bool {
	return slices.ContainsFunc(rules, func(rule string) bool {
		_, rule, _ = strings.Cut(rule, ": ")
		return strings.HasSuffix(rule, " -m set --match-set "+name+" src -j DROP") &&
			(strings.HasPrefix(rule, "-A INPUT -m set ") || strings.HasPrefix(rule, "-A PREROUTING -m set "))
	})
}

func listers() []string {
	tools := []string{"iptables-nft", "ip6tables-nft"}
	for file, tool := range map[string]string{
		"/proc/net/ip_tables_names":  "iptables-legacy",
		"/proc/net/ip6_tables_names": "ip6tables-legacy",
	} {
		if names, err := os.ReadFile(file); err == nil && len(bytes.TrimSpace(names)) > 0 {
			tools = append(tools, tool)
		}
	}
	return tools
}

// matchSet returns the rules in the output of iptables-save that name the set.
func matchSet(save []byte, name string) []string {
	var rules []string
	for lines := bufio.NewScanner(bytes.NewReader(save)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		for i, w := range words {
			if i > 0 && w == name && (words[i-1] == "--match-set" || words[i-1] == "--add-set" || words[i-1] == "--del-set" || words[i-1] == "--map-set") {
				rules = append(rules, lines.Text())
				break
			}
		}
	}
	return rules
}
