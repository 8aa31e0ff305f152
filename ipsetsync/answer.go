package ipsetsync

import (
	"encoding/binary"
	"slices"

	"github.com/voipbl/voipbl/cidr"
)

// decodeRevisions reads the answer to a type request.
func decodeRevisions(msg []byte) (highest, lowest uint8, err error) {
	if len(msg) < sizeofNfGenMsg {
		return 0, 0, errMalformed
	}
	for a, err := range attributes(msg[sizeofNfGenMsg:]) {
		switch {
		case err != nil:
			return 0, 0, err
		case a.typ == attrRevision:
			highest, err = a.u8()
		case a.typ == attrRevisionMin:
			lowest, err = a.u8()
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return highest, lowest, nil
}

// decodeLineno reads the number of the refused entry, which the kernel has written into
// the add request.
func decodeLineno(echo []byte) (int, bool) {
	if len(echo) < sizeofNfGenMsg {
		return 0, false
	}
	for a, err := range attributes(echo[sizeofNfGenMsg:]) {
		if err != nil {
			return 0, false
		}
		if a.typ == attrLineno && len(a.value) == 4 {
			return int(binary.NativeEndian.Uint32(a.value)), true
		}
	}
	return 0, false
}

// sort sorts entries and counts.
func (l *Live) sort() {
	cidr.Sort(l.Prefixes)
	slices.SortFunc(l.Counts, compareCounts)
}
