// Package firewall knows the kernel's iptables rules, in both backends.
package firewall
