package engines

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/distinct"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// freeSWITCHFolders are where FreeSWITCH's configuration may be.
var freeSWITCHFolders = []string{"/etc/freeswitch", "/usr/local/freeswitch/conf"}

var (
	xmlComment    = lazyregexp.New(`(?s)<!--.*?-->`)
	freeSWITCHSet = lazyregexp.New(`<X-PRE-PROCESS\s+cmd="set"\s+data="([^="]+)=([^"]*)"`)
	freeSWITCHUse = lazyregexp.New(`\$\$\{([^}]+)\}`)
	profileParam  = lazyregexp.New(`<param\s+name="([^"]+)"\s+value="([^"]*)"`)
)

// freeSWITCH returns where FreeSWITCH's profiles listen: for SIP by UDP and TCP, for TLS if
// enabled, and for WebSockets if a port is set. FusionPBX keeps its profiles in a database; then
// only the listeners show it.
func freeSWITCH(l *probe.Look) (sip []host.Port, web []host.WebSocket) {
	for _, folder := range freeSWITCHFolders {
		variables := map[string]string{}
		text, _ := l.Read(folder + "/vars.xml")
		for _, m := range freeSWITCHSet().FindAllStringSubmatch(xmlComment().ReplaceAllString(text, ""), -1) {
			variables[m[1]] = m[2]
		}
		profiles, _ := filepath.Glob(l.Path(folder + "/sip_profiles/*.xml"))
		for _, path := range profiles {
			text, err := probe.ReadFile(path)
			l.Unknown("the ports in "+path, err, "name them by hand")
			s, w := profilePorts(text, variables)
			sip, web = append(sip, s...), append(web, w...)
		}
	}
	return distinct.Of(sip), distinct.Of(web)
}

func profilePorts(text string, variables map[string]string) (sip []host.Port, web []host.WebSocket) {
	params := map[string]string{}
	for _, m := range profileParam().FindAllStringSubmatch(xmlComment().ReplaceAllString(text, ""), -1) {
		params[m[1]] = freeSWITCHUse().ReplaceAllStringFunc(m[2], func(use string) string { return variables[use[3:len(use)-1]] })
	}
	port := func(name string) uint16 {
		text := params[name]
		n, _ := strconv.ParseUint(text[strings.LastIndexByte(text, ':')+1:], 10, 16)
		return uint16(n)
	}
	loopback := func(address string) bool {
		return strings.HasPrefix(address, "127.") || strings.HasPrefix(address, "[::1]")
	}
	if p := port("sip-port"); p > 0 && !loopback(params["sip-ip"]) {
		sip = append(sip, host.Port{Proto: "udp", Port: p}, host.Port{Proto: "tcp", Port: p})
	}
	if p := port("tls-sip-port"); p > 0 && params["tls"] == "true" && !loopback(params["sip-ip"]) {
		sip = append(sip, host.Port{Proto: "tcp", Port: p})
	}
	for _, name := range []string{"ws-binding", "wss-binding"} {
		if p := port(name); p > 0 && !loopback(params[name]) {
			web = append(web, host.WebSocket{Port: p, TLS: name == "wss-binding"})
		}
	}
	return sip, web
}
