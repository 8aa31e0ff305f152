package main

import (
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
)

// kernelText is what the kernel holds, by part: "set NAME" with its entries, and
// "rules4 TABLE" and "rules6 TABLE", each of which the kernel changes in one step.
// What counts and what runs down is left out.
type kernelText map[string]string

var (
	countsText = regexp.MustCompile(`\[\d+:\d+\] ?`)
	timesText  = regexp.MustCompile(` (packets|bytes) \d+`)
	untilText  = regexp.MustCompile(` timeout [1-9]\d*`)
)

// kernel reads the sets and rules of the present namespace.
func (h *faultHost) kernel() kernelText {
	k := kernelText{}
	for line := range strings.Lines(h.read("ipset", "save")) {
		words := strings.Fields(line)
		name := "set " + words[1]
		if words[0] == "create" {
			k[name] = words[2] + " " + words[4] + "\n"
			continue
		}
		k[name] += untilText.ReplaceAllString(timesText.ReplaceAllString(line, ""), " timeout")
	}
	for name, text := range k {
		lines := slices.Sorted(strings.Lines(text))
		k[name] = strings.Join(lines, "")
	}
	for family, tool := range map[string]string{"rules4": "iptables-nft-save", "rules6": "ip6tables-nft-save"} {
		k.addRules(family, h.read(tool))
	}
	return k
}

// addRules adds the tables that have a rule or a chain of somebody's.
func (k kernelText) addRules(family, text string) {
	for _, table := range strings.Split(countsText.ReplaceAllString(text, ""), "\n*")[1:] {
		name, lines, _ := strings.Cut(table, "\n")
		part := family + " " + name
		var kept string
		for line := range strings.Lines(lines) {
			if strings.HasPrefix(line, "-") || strings.HasSuffix(line, " - \n") {
				kept += line
			}
		}
		// The chain that is made for fail2ban goes after the rules that lead to
		// it, in a step of its own.
		if chain := ":" + iptables.SSHChain + " - \n"; !strings.Contains(kept, "-j "+iptables.SSHChain) && strings.Contains(kept, chain) {
			kept = strings.ReplaceAll(kept, chain, "")
			k["chain "+part] = chain
		}
		if kept != "" {
			k[part] = kept
		}
	}
}

func (h *faultHost) read(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// beside returns the parts that none of the others has; "" if there are none.
func (k kernelText) beside(others ...kernelText) string {
	names := map[string]bool{}
	for _, o := range append(others, k) {
		for name := range o {
			names[name] = true
		}
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if slices.ContainsFunc(others, func(o kernelText) bool { return o[name] == k[name] }) {
			continue
		}
		text := fmt.Sprintf("%s is\n%s", name, k[name])
		for _, o := range others {
			text += fmt.Sprintf("and was\n%s", o[name])
		}
		wrong = append(wrong, text)
	}
	return strings.Join(wrong, "\n")
}

// mixed returns the sets of the list that hold what two others have in common, and nothing that
// neither has.
func (k kernelText) mixed(a, b kernelText) kernelText {
	m := kernelText{}
	for _, name := range []string{"set voip_bl", "set voip_bl6"} {
		fits := true
		for line := range strings.Lines(a[name] + b[name] + k[name]) {
			inA, inB, in := strings.Contains(a[name], line), strings.Contains(b[name], line), strings.Contains(k[name], line)
			fits = fits && (in || !(inA && inB)) && (!in || inA || inB)
		}
		if fits {
			m[name] = k[name]
		}
	}
	return m
}

// settled leaves out sets that come and go by themselves and block nobody: those being built for a
// swap, and empty ones made for fail2ban or for registered phones.
func (k kernelText) settled() kernelText {
	s := maps.Clone(k)
	maps.DeleteFunc(s, func(name, text string) bool {
		unused := (strings.HasPrefix(name, "set fail2ban") || strings.HasPrefix(name, "set voip_known")) && !strings.Contains(text, "add ")
		return unused || strings.HasSuffix(name, "-next") || strings.HasPrefix(name, "chain ")
	})
	return s
}

// drops reports whether a rule drops members of the list's set and the set has some.
func (k kernelText) drops() bool {
	rules := k["rules4 filter"] + k["rules4 raw"]
	return strings.Contains(k["set voip_bl"], "add ") && regexp.MustCompile(`--match-set voip_bl src .*-j DROP`).MatchString(rules)
}
