// Package top ranks the blocked addresses and networks by how many packets the kernel has
// counted of them, and names the lists that they are from.
package top
