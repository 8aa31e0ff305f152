package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// What is looked for in a folder of published lists.
const (
	publishedVoIPBL  = "voipbl-2019-04-23.netset"
	publishedFirehol = "firehol_level1-2020-03-18.netset"
)

// firehol is how many prefixes of each length firehol_level1 had on 2020-03-18, merged and without
// special-purpose space.
var firehol = []struct{ length, n int }{
	{11, 1}, {12, 4}, {13, 2}, {14, 8}, {15, 15}, {16, 182}, {17, 18}, {18, 56}, {19, 80}, {20, 78}, {21, 62}, {22, 295}, {23, 54}, {24, 222},
	{29, 3}, {30, 6}, {31, 14}, {32, 444},
}

// likeFirehol makes a list of firehol's make-up at random addresses. None lies in another or is the
// other half of one, so that none can be merged.
func likeFirehol() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	var taken []netip.Prefix // the halves of each together
	for _, f := range firehol {
		for n := 0; n < f.n; {
			addr := publicAddr(rng)
			both := netip.PrefixFrom(addr, f.length-1).Masked()
			if overlaps(taken, both) {
				continue
			}
			taken = append(taken, both)
			fmt.Fprintln(&out, netip.PrefixFrom(addr, f.length).Masked())
			n++
		}
	}
	return out.Bytes()
}

func overlaps(all []netip.Prefix, p netip.Prefix) bool {
	for _, q := range all {
		if q.Overlaps(p) {
			return true
		}
	}
	return false
}

// publicAddr is an address in a part of the space that has no special-purpose addresses.
func publicAddr(rng *rand.Rand) netip.Addr {
	x := rng.Uint32()
	return netip.AddrFrom4([4]byte{byte(11 + x>>24%80), byte(x >> 16), byte(x >> 8), byte(x)}) // 11 to 90
}

// packetLists are the lists that packets meet, by name.
func (b *bench) packetLists() (map[string][]byte, error) {
	lists := map[string][]byte{}
	var err error
	if b.lists != "" {
		for name, file := range map[string]string{page.LikeVoIPBL: publishedVoIPBL, page.LikeFirehol: publishedFirehol} {
			if lists[name], err = os.ReadFile(filepath.Join(b.lists, "feeds", file)); err != nil {
				return nil, err
			}
		}
		return lists, nil
	}
	lists[page.LikeFirehol] = likeFirehol()
	lists[page.LikeVoIPBL], err = b.list(page.Full)
	return lists, err
}
