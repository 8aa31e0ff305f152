package genfeed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Kind is a kind of dirt: something that real lists hold beside plain "address/length" lines.
type Kind uint8

// Each kind up to Garbage makes a line of its own out of the Spec's Lines; the kinds after it change
// how the file is written.
const (
	plain Kind = iota

	Bare      // the address without a length
	HostBits  // a prefix with bits set below its length: 192.0.2.77/24
	Range     // first-last, seldom a whole prefix: 192.0.2.3-192.0.2.9
	IpsetSave // as ipset save prints it: add voip_bl 192.0.2.1 timeout 0
	CSV       // the address is the first of several columns with commas
	Columns   // the same with spaces
	Remark    // a comment after the address, by #, ; or //
	Mapped    // an IPv4 entry as IPv4-mapped IPv6: ::ffff:192.0.2.1
	Other     // an entry of the other family
	Wide      // wider than /8 (IPv6: /19); IPv4 has 255 of them, 0.0.0.0/0 included
	Duplicate // the prefix of another line again
	Garbage   // no entry at all: fused or short addresses, HTML, leading zeros, /33, a host name

	CRLF    // lines that end in \r\n; with share 1 the header's too
	BOM     // a byte order mark at the start of the file; any share above 0
	Comment // extra lines with a comment, by #, ; or //
	Blank   // extra lines with nothing or only white space

	kinds
)

// bogon marks an entry that was drawn from special-purpose space; it is spelled like a plain one.
const bogon = kinds

var kindNames = [kinds]string{
	plain: "plain", Bare: "bare", HostBits: "host-bits", Range: "range", IpsetSave: "ipset-save",
	CSV: "csv", Columns: "columns", Remark: "remark", Mapped: "mapped", Other: "other", Wide: "wide",
	Duplicate: "duplicate", Garbage: "garbage", CRLF: "crlf", BOM: "bom", Comment: "comment",
	Blank: "blank",
}

// String returns the name of the kind, as ParseDirt reads it.
func (k Kind) String() string {
	if k >= kinds {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// takesLine reports whether a line of this kind is one of the Spec's Lines.
func (k Kind) takesLine() bool { return k > plain && k <= Garbage }

// Kinds returns all kinds of dirt.
func Kinds() []Kind {
	var all []Kind
	for k := plain + 1; k < kinds; k++ {
		all = append(all, k)
	}
	return all
}

// Counts holds a number of lines for each kind.
type Counts [kinds]int

// MarshalJSON writes the kinds that occur, by name.
func (c Counts) MarshalJSON() ([]byte, error) {
	named := map[string]int{}
	for k, n := range c {
		if n > 0 {
			named[kindNames[k]] = n
		}
	}
	return json.Marshal(named)
}

// ParseDirt reads "host-bits=0.01,crlf=1" or "all=0.01"; a later kind overrides an earlier "all".
func ParseDirt(s string) (map[Kind]float64, error) {
	dirt := map[Kind]float64{}
	if s == "" {
		return dirt, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(part, "=")
		share, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("genfeed: dirt %q: want kind=share, like csv=0.01", part)
		}
		if name == "all" {
			for _, k := range Kinds() {
				dirt[k] = share
			}
			continue
		}
		k := slices.Index(kindNames[:], name)
		if k <= int(plain) {
			return nil, fmt.Errorf("genfeed: dirt %q: no such kind; there are %v", name, Kinds())
		}
		dirt[Kind(k)] = share
	}
	return dirt, nil
}
