package genfeed

import (
	"bytes"
	"strconv"
)

// garbage appends a line that no reader may accept as an entry. Most are mistakes seen in
// published lists, which lenient parsers turn into other addresses.
func (r *renderer) garbage(e entry) {
	a, b, c, d := byte(e.lo>>24), byte(e.lo>>16), byte(e.lo>>8), byte(e.lo)
	dotted := func(parts ...byte) []byte {
		var s []byte
		for i, p := range parts {
			if i > 0 {
				s = append(s, '.')
			}
			s = strconv.AppendUint(s, uint64(p), 10)
		}
		return s
	}
	put := func(parts ...string) {
		for _, p := range parts {
			r.line = append(r.line, p...)
		}
	}
	r.addr(e)
	whole := string(r.line)
	r.line = r.line[:0]
	short := whole[:bytes.LastIndexAny([]byte(whole), ".:")]

	switch r.rng.IntN(12) {
	case 0: // two addresses fused into one line
		put(whole, whole)
	case 1: // a part is missing
		if e.is4() {
			put(short, "/32")
		} else {
			put("2a00:1:2:3:4:5:6", "/64")
		}
	case 2:
		put(short, ".")
	case 3:
		put("<!DOCTYPE html>")
	case 4:
		put("<p>502 Bad Gateway</p>")
	case 5: // leading zeros: octal to some readers, decimal to others
		put("0", string(dotted(a%100, b)), ".0", string(dotted(c%100, d)), "/32")
	case 6: // longer than an address
		if e.is4() {
			put(whole, "/33")
		} else {
			put(whole, "/129")
		}
	case 7: // a part beyond its range
		if e.is4() {
			put(string(dotted(a, b, c)), ".", strconv.Itoa(256+int(d)), "/32")
		} else {
			put("2a00:12345::", strconv.Itoa(int(d)), "/128")
		}
	case 8:
		put("sip.example.net")
	case 9: // cut off
		put(whole, "/")
	case 10:
		put(whole, "/-1")
	case 11: // a reversed range
		hi := e
		hi.lo |= 0xff
		lo := e
		lo.lo &^= 0xff
		r.addr(hi)
		put("-")
		r.addr(lo)
	}
}
