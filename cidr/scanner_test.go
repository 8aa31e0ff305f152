package cidr

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// scanned returns what a Scanner reads from a text, in words.
func scanned(text string) string {
	var out []string
	sc := NewScanner(strings.NewReader(text))
	for sc.Scan() {
		if sc.Reason() != Accepted {
			out = append(out, sc.Reason().Key())
			continue
		}
		for _, p := range sc.Prefixes() {
			out = append(out, p.String())
		}
	}
	return strings.Join(out, " ")
}

// TestScanPlain: lines come out the same whether or not they are in the buffer as a whole, which
// decides how they are read.
func TestScanPlain(t *testing.T) {
	all := func(r io.Reader) (out []string) {
		for sc := NewScanner(r); sc.Scan(); {
			out = append(out, fmt.Sprintf("%d %q %v %v", sc.Line(), sc.Text(), sc.Reason(), sc.Prefixes()))
		}
		return out
	}
	text := "1.2.3.4/0\n1.2.3.4/00\n1.2.3.4/07\n1.2.3.4/33\n1.2.3.4/132\n1.2.3.4/\n1.2.3.4 \n1.2.3.4\r\n1.2.3.4/24\r\n01.2.3.4\n1.2.3.4.\n1.2.3.4-1.2.3.5\n1.2.3.4#\n"
	for _, form := range lineForms {
		text += form.text + "\n"
	}
	text += "1.2.3.4/24"
	fast, slow := all(strings.NewReader(text)), all(iotest.OneByteReader(strings.NewReader(text)))
	if len(fast) == 0 || !slices.Equal(fast, slow) {
		t.Errorf("got\n%s\nand\n%s", strings.Join(fast, "\n"), strings.Join(slow, "\n"))
	}
}

// TestLineForms has each form that real lists use, and lines that look like one and are
// not.
func TestLineForms(t *testing.T) {
	for _, test := range lineForms {
		t.Run(test.name, func(t *testing.T) {
			if got := scanned(test.text); got != test.want {
				t.Errorf("%q: got %q, want %q", test.text, got, test.want)
			}
		})
	}
}

var lineForms = []struct{ name, text, want string }{
	{"blank", "\n \n\t\r\n", ""},
	{"comments", "# a\n; b\n// c\n  # d\n#1.2.3.4\n", ""},
	{"address", "1.2.3.4\n", "1.2.3.4"},
	{"no newline at the end", "1.2.3.4", "1.2.3.4"},
	{"prefix", "1.2.3.0/24\n", "1.2.3.0/24"},
	{"host bits", "1.2.3.4/16\n", "1.2.0.0/16"},
	{"single address as prefix", "1.2.3.4/32\n", "1.2.3.4"},
	{"everything", "0.0.0.0/0\n", "0.0.0.0/0"},
	{"CRLF", "1.2.3.4\r\n5.6.7.8\r\n", "1.2.3.4 5.6.7.8"},
	{"byte order mark", "\xef\xbb\xbf1.2.3.4\n", "1.2.3.4"},
	{"byte order mark and comment", "\xef\xbb\xbf# x\n1.2.3.4\n", "1.2.3.4"},
	{"spaces around", "  1.2.3.4\t\n", "1.2.3.4"},
	{"comment after", "1.2.3.4 # x\n1.2.3.5#x\n1.2.3.6 ; SBL1\n1.2.3.7;x\n1.2.3.8 // x\n1.2.3.9//x\n", "1.2.3.4 1.2.3.5 1.2.3.6 1.2.3.7 1.2.3.8 1.2.3.9"},
	{"prefix and //", "1.2.3.0/24//x\n", "1.2.3.0/24"},
	{"range", "1.2.3.4-1.2.3.7\n", "1.2.3.4/30"},
	{"odd range", "1.2.3.3-1.2.3.9\n", "1.2.3.3 1.2.3.4/30 1.2.3.8/31"},
	{"range of one", "1.2.3.3-1.2.3.3\n", "1.2.3.3"},
	{"range of all", "0.0.0.0-255.255.255.255\n", "0.0.0.0/0"},
	{"a semicolon and half a length", "1.2.3.4 ; /\n1.2.3.4; /x\n1.2.3.0 ; / 24\n", "1.2.3.4 1.2.3.4 1.2.3.0/24"},
	{"what is no whole mask is text", "1.2.3.0 255.255.255.0x\n", "1.2.3.0"},
	{"a length of one behind a range", "1.2.3.0 1.2.3.255 32\n1.2.3.4 1.2.3.4 32\n", "length-disagrees 1.2.3.4"},
	{"an empty word in quotes", "\"\" 1.2.3.4\n", "not-an-address"},
	{"range with spaces", "1.2.3.4 - 1.2.3.7\n1.2.3.4\t-\t1.2.3.5 x\n", "1.2.3.4/30 1.2.3.4/31"},
	{"reversed range", "1.2.3.7-1.2.3.4\n1.2.3.7 - 1.2.3.4\n", "reversed-range reversed-range"},
	{"mixed range", "1.2.3.4-::1\n", "mixed-range"},
	{"short range", "1.2.3.4-7\n", "not-an-address"},
	{"range of prefixes", "1.2.3.0/24-1.2.4.0/24\n1.2.3.0/24 - 1.2.4.0\n", "bad-length not-an-address"},
	{"broken end of a spaced range", "1.2.3.4 - 1.2.3\n", "not-an-address"},
	{"hyphen before text", "1.2.3.4 - scanner\n1.2.3.4 - 3 hits\n", "1.2.3.4 1.2.3.4"},
	{"hyphen before a host name", "1.2.3.4 - data.center.com x\n", "1.2.3.4"},
	{"line ends of an old Mac", "1.2.3.4\r5.6.7.8\r", "line-ends"},
	{"line ends of an old Mac after a comment", "# x\r5.6.7.8\r", "line-ends"},
	{"other white space", "1.2.3.4\v\n\v\f\n1.2.3.4\fx\n", "1.2.3.4 not-an-address"},
	{"hyphen at the end", "1.2.3.4 -\n1.2.3.4 - \n1.2.3.4 - ,\n", "1.2.3.4 1.2.3.4 1.2.3.4"},
	{"CSV", "1.2.3.4,SE,3\n1.2.3.0/24,x\n", "1.2.3.4 1.2.3.0/24"},
	{"CSV with a space", "1.2.3.4 ,x\n", "1.2.3.4"},
	{"quoted CSV", "\"1.2.3.4\",\"SE\"\n\"1.2.3.5\"\n\" 1.2.3.6 \",x\n", "1.2.3.4 1.2.3.5 1.2.3.6"},
	{"broken quotes", "\"1.2.3.4\n\"1.2.3.4\"5\n\"\"\n", "not-an-address not-an-address not-an-address"},
	{"CSV header", "ip,country\n", "not-an-address"},
	{"columns", "1.2.3.4 2019-01-01 3\n1.2.3.4\t5\n", "1.2.3.4 1.2.3.4"},
	{"ipset save", "create voip_bl hash:net family inet\nadd voip_bl 1.2.3.0/24\nadd voip_bl 1.2.3.4 timeout 0 packets 3 bytes 4\nCOMMIT\n", "1.2.3.0/24 1.2.3.4"},
	{"ipset save, exception", "add x 1.2.3.4 nomatch\nadd x 1.2.3.4 timeout 3 nomatch\n", "nomatch nomatch"},
	{"ipset save, comment", "add x 1.2.3.4 comment \"nomatch\"\n", "1.2.3.4"},
	{"ipset save, more than an address", "add x 1.2.3.4,udp:53\n", "not-only-address"},
	{"ipset save, cut", "add x\nadd x \nadd\n", "not-an-address not-an-address not-an-address"},
	{"IPv6", "2001:db8::1\n2001:DB8::/32\n::\n", "2001:db8::1 2001:db8::/32 ::"},
	{"IPv6 host bits", "2001:db8::1/64\n", "2001:db8::/64"},
	{"IPv6 range", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff\n", "2001:db8::/64"},
	{"IPv6 range of all", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n", "::/0"},
	{"IPv6 with comment", "2001:db8::1;x\n2001:db8::/32 ; SBL1\n", "2001:db8::1 2001:db8::/32"},
	{"IPv6 dotted end", "2001:db8::1.2.3.4\n", "2001:db8::102:304"},
	{"IPv4-mapped", "::ffff:1.2.3.4\n::ffff:102:304\n::ffff:1.2.3.0/120\n::ffff:0:0/96\n", "1.2.3.4 1.2.3.4 1.2.3.0/24 0.0.0.0/0"},
	{"IPv4-mapped range", "::ffff:1.2.3.4-::ffff:1.2.3.5\n", "1.2.3.4/31"},
	{"half mapped range", "::1-::ffff:1.2.3.5\n", "mixed-range"},
	{"IPv4-mapped and wider", "::ffff:0:0/95\n::ffff:1.2.3.4/32\n", "mapped-too-wide mapped-too-wide"},
	{"zone", "fe80::1%eth0\n", "zone"},
	{"length out of range", "1.2.3.4/33\n1.2.3.4/999\n::1/129\n1.2.3.4/-1\n", "bad-length bad-length bad-length bad-length"},
	{"broken length", "1.2.3.4/\n1.2.3.4/2x\n1.2.3.4/024\n1.2.3.4/1.2\n", "bad-length bad-length bad-length bad-length"},
	{"netmask", "1.2.3.0/255.255.255.0\n1.2.3.0 255.255.255.0\n1.2.3.4,255.255.255.0,x\n\"1.2.3.0\"\t\"255.255.255.128\"\n1.2.3.4 255.255.255.255\n2001:db8::/ffff:ffff::\n2001:db8:: ffff:ffff:: x\n0.0.0.0/0.0.0.0\n", "1.2.3.0/24 1.2.3.0/24 1.2.3.0/24 1.2.3.0/25 1.2.3.4 2001:db8::/32 2001:db8::/32 0.0.0.0/0"},
	{"no netmask", "1.2.3.0/0.0.0.255\n1.2.3.0 0.0.0.255\n1.2.3.0/255.0.255.0\n1.2.3.0 255.0.255.0\n1.2.3.0 0.0.0.0\n1.2.3.0/ffff::\n2001:db8::/255.255.0.0\n", "netmask netmask netmask netmask netmask bad-length bad-length"},
	{"length in a column of its own", "1.2.3.0 /24\n1.2.3.0,/24,x\n\"1.2.3.0\",\"/24\"\n1.2.3.0 / 24 # x\n1.2.3.0\t/255.255.255.0\n2001:db8:: /32\n1.2.3.0/24 /24\n1.2.3.0/24 255.255.255.0\n", "1.2.3.0/24 1.2.3.0/24 1.2.3.0/24 1.2.3.0/24 1.2.3.0/24 2001:db8::/32 1.2.3.0/24 1.2.3.0/24"},
	{"no length in a column of its own", "1.2.3.0 /33\n1.2.3.0 /2x\n1.2.3.0/24 /25\n1.2.3.0/24 255.255.0.0\n", "bad-length bad-length length-disagrees length-disagrees"},
	{"slash before text", "1.2.3.4 /index.html\n1.2.3.4 / scanner\n1.2.3.4 /\n", "1.2.3.4 1.2.3.4 1.2.3.4"},
	{"range in two columns", "1.0.0.0,1.0.0.255,AU\n\"1.0.0.0\",\"1.0.0.255\",\"AU\"\n1.0.0.0\t1.0.0.255\n1.0.0.0 1.0.0.255 x\n1.0.0.0 , 1.0.0.255\n1.0.0.0 -1.0.0.255\n\"1.0.0.0\",\"1.0.0.255\",\"16777216\",\"16777471\",\"AU\"\n", strings.TrimSpace(strings.Repeat("1.0.0.0/24 ", 7))},
	{"range in two columns and its length", "1.0.0.0\t1.0.0.255\t24\t531\tACME\n1.0.0.0,1.0.0.255,/24\n1.0.0.0 1.0.0.255 255.255.255.0\n1.0.0.0 - 1.0.0.255 /24\n", "1.0.0.0/24 1.0.0.0/24 1.0.0.0/24 1.0.0.0/24"},
	{"range in two columns and another length", "1.0.0.0\t1.0.0.255\t25\n1.0.0.0,1.0.0.255,/23\n1.0.0.0 1.0.0.255 255.255.0.0\n1.0.0.0-1.0.0.255 /25\n1.0.0.0 1.0.0.254 24\n", strings.TrimSpace(strings.Repeat("length-disagrees ", 5))},
	{"range with an access level", "1.0.0.0 - 1.0.0.255 , 0 , x\n1.0.0.0 - 1.0.0.255 , 000 , x\n1.0.0.0-1.0.0.255 , 100 , x\n", "1.0.0.0/24 1.0.0.0/24 1.0.0.0/24"},
	{"range of all in two columns", "224.0.0.0,255.255.255.255,ZZ\n0.0.0.0,0.255.255.255,ZZ\n", "224.0.0.0/3 0.0.0.0/8"},
	{"IPv6 range in two columns", "2001:db8::,2001:db8::ffff,x\n2001:db8:: 2001:db8::f 124\n2001:db8::f,2001:db8::\n", "2001:db8::/112 2001:db8::/124 reversed-range"},
	{"two columns that are no range", "1.0.0.255,1.0.0.0\n1.0.0.0,::1\n::1 1.0.0.0\n1.0.0.0,1.0.0.256\n1.0.0.0 1.0.0.05\n1.0.0.0 1::2::3\n::1,::ffff:1.2.3.5\n", "reversed-range mixed-range mixed-range not-an-address leading-zero not-an-address mixed-range"},
	{"end right behind the hyphen", "1.2.3.4 -1.2.3.9\n1.2.3.4 -7\n1.2.3.4- 1.2.3.9\n", "1.2.3.4/30 1.2.3.8/31 1.2.3.4 not-an-address"},
	{"range of the longest spellings", "1111:1111:1111:1111:1111:1111:111.111.111.111 - 1111:1111:1111:1111:1111:1111:111.111.111.111\n", "1111:1111:1111:1111:1111:1111:6f6f:6f6f"},
	{"several addresses", "1.2.3.4 5.6.7.8 9.9.9.9\n1.2.3.4,,5.6.7.8\n1.2.3.4 -> 5.6.7.8\n1.2.3.4 x (5.6.7.8)\n1.2.3.4 | 5.6.7.8\n1.2.3.4 peer=5.6.7.8\n1.2.3.0/24,5.6.7.0/24\n1.2.3.0/24 1.2.4.1\n1.2.3.4 x 2001:db8::1\n1.2.3.4 x 5.6.7.8.\n1.2.3.4 - 1.2.3.0/24\n", strings.TrimSpace(strings.Repeat("more-addresses ", 11))},
	{"elements of a list", "1.2.3.4, 1.2.3.9,\n1.2.3.4, 1.2.3.9 }\n\"1.2.3.4\", \"1.2.3.9\",\n\"1.2.3.4\", \"1.2.3.9\"]\n1.2.3.4,\n", "more-addresses more-addresses more-addresses more-addresses 1.2.3.4"},
	{"the same address again", "1.2.3.4 x 1.2.3.4\n1.0.0.0/24,1.0.0.0,1.0.0.255\n1.2.3.4,1.2.3.4\n", "1.2.3.4 1.0.0.0/24 1.2.3.4"},
	{"range in two columns with a semicolon", "1.0.0.0;1.0.0.255\n\"1.0.0.0\";\"1.0.0.255\";\"AU\"\n1.0.0.0 ; 1.0.0.255 ; x\n1.0.0.0;1.0.0.255;24;x\n2001:db8::;2001:db8::ffff # x\n", "1.0.0.0/24 1.0.0.0/24 1.0.0.0/24 1.0.0.0/24 2001:db8::/112"},
	{"mask or length behind a semicolon", "1.2.3.0;255.255.255.0\n1.2.3.0;/24\n1.2.3.0 ; / 24 # x\n1.2.3.0/24;/24\n1.2.3.0;/33\n1.2.3.0;0.0.0.255\n1.2.3.0/24;/25\n", "1.2.3.0/24 1.2.3.0/24 1.2.3.0/24 1.2.3.0/24 bad-length netmask length-disagrees"},
	{"several addresses with semicolons", "1.2.3.4;1.2.3.9;9.9.9.9\n1.2.3.4;1.2.3.9;\n1.2.3.0/24;5.6.7.8\n1.2.3.4;5.6.7.0/24\n1.2.3.4;x;5.6.7.8\n1.2.3.4;1.2.3.256\n1.2.3.9;1.2.3.4\n", "more-addresses more-addresses more-addresses more-addresses 1.2.3.4 not-an-address reversed-range"},
	{"comment that is no column", "1.2.3.4;24\n1.2.3.4 ; /index\n1.2.3.4;::\n1.2.3.4 ;\n1.2.3.4;;5.6.7.8\n1.2.3.4 x;5.6.7.8\n1.2.3.4;10:20:30\n1.2.3.4 ; 1.2.3.4\n", strings.TrimSpace(strings.Repeat("1.2.3.4 ", 8))},
	{"length somewhere in the text", "1.2.3.0 mask /24\n1.2.3.0 (/24)\n1.2.3.0/24 is a /24\n1.2.3.0/24 is a /25\n1.0.0.0 1.0.0.255 x /24\n1.2.3.4 x /99\n", "length-disagrees length-disagrees 1.2.3.0/24 length-disagrees 1.0.0.0/24 1.2.3.4"},
	{"addresses in a comment", "1.2.3.4 # 5.6.7.8\n1.2.3.4;x 5.6.7.8\n1.2.3.4 // 5.6.7.8\n1.2.3.4,http://5.6.7.8/x\n1.2.3.4 x # 5.6.7.8\n", "1.2.3.4 1.2.3.4 1.2.3.4 1.2.3.4 1.2.3.4"},
	{"text that is no address", "1.2.3.4 10:20:30 0.97\n1.2.3.4 00:11:22:33:44:55\n1.2.3.4 static.1.2.3.4.example.com\n1.2.3.4 :: x\n1.2.3.4,24,x\n1.2.3.4 2019.01.02 1.2.3\n", "1.2.3.4 1.2.3.4 1.2.3.4 1.2.3.4 1.2.3.4 1.2.3.4"},
	{"ipset save, several addresses", "add x 1.2.3.4 5.6.7.8\nadd x 1.2.3.4 comment \"a nomatch 5.6.7.8\"\n", "more-addresses 1.2.3.4"},
	{"short", "137.184.10/32\n137.184.10\n10\n", "not-an-address not-an-address not-an-address"},
	{"fused", "176.221.42.3254.174.140.223\n1.2.3.45.6.7.8\n", "not-an-address not-an-address"},
	{"octet too large", "1.2.3.256\n1.2.3.1000\n", "not-an-address not-an-address"},
	{"leading zero", "010.1.2.3\n1.2.3.04/24\n", "leading-zero leading-zero"},
	{"broken IPv6", "1::2::3\n:::\n12345::\n1:2:3:4:5:6:7\n1:2:3:4:5:6:7:8:9\n::g\n", strings.TrimSpace(strings.Repeat("not-an-address ", 6))},
	{"words", "<html>\nError 1.2.3.4\nlocalhost\n", "not-an-address not-an-address not-an-address"},
	{"control characters", "1.2.3.4\x00\n\x00\n", "not-an-address not-an-address"},
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 3*BufferSize)
	text := "1.1.1.1\n" + long + "\n2.2.2.2\n#" + long + "\n" + strings.Repeat(" ", maxLine) + "3.3.3.3\n4.4.4.4\n" + long
	if got, want := scanned(text), "1.1.1.1 line-too-long 2.2.2.2 line-too-long 4.4.4.4 line-too-long"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	sc := NewScanner(strings.NewReader(long + "\n1.1.1.1\n"))
	sc.Scan()
	if len(sc.Text()) != maxLine || sc.Line() != 1 {
		t.Errorf("line %d has %d bytes of text", sc.Line(), len(sc.Text()))
	}
	if !sc.Scan() || sc.Line() != 2 || string(sc.Text()) != "1.1.1.1" {
		t.Errorf("after a long line: line %d, %q", sc.Line(), sc.Text())
	}
}

func TestScannerNumbersLines(t *testing.T) {
	sc := NewScanner(strings.NewReader("# TOTAL NETBLOCK: 3\r\n\n1.1.1.1\nx\r\n"))
	var lines []int
	for sc.Scan() {
		lines = append(lines, sc.Line())
	}
	if len(lines) != 2 || lines[0] != 3 || lines[1] != 4 {
		t.Errorf("lines %v", lines)
	}
	if string(sc.Text()) != "x" {
		t.Errorf("text %q", sc.Text())
	}
	if sc.Declared() != 3 {
		t.Errorf("declared %d", sc.Declared())
	}
}

func TestScannerReportsReadErrors(t *testing.T) {
	broken := errors.New("broken")
	sc := NewScanner(io.MultiReader(strings.NewReader("1.1.1.1\n2.2."), iotest.ErrReader(broken)))
	n := 0
	for sc.Scan() {
		n++
	}
	if n != 1 || !errors.Is(sc.Err(), broken) {
		t.Errorf("%d entries, error %v: half a line must not count", n, sc.Err())
	}
	sc = NewScanner(io.MultiReader(strings.NewReader(strings.Repeat("x", 2*BufferSize)), iotest.ErrReader(broken)))
	if sc.Scan() || !errors.Is(sc.Err(), broken) {
		t.Errorf("error in a long line: %v", sc.Err())
	}
}

// TestNoAllocation: no line allocates memory, whatever its form.
func TestNoAllocation(t *testing.T) {
	line := "1.2.3.4/32\n1.2.3.4-1.2.3.99\n::ffff:1.2.3.4\n2001:db8::1/64 # x\n\"1.2.3.4\",x\nadd x 1.2.3.4\n1.2.3.4 - 1.2.3.5\n01.2.3.4\nx\n" +
		"1.0.0.0,1.0.0.255,AU\n1.2.3.0 255.255.255.0\n1.2.3.0 /24\n1.0.0.0\t1.0.0.255\t24\tx\n1.2.3.4 5.6.7.8 9.9.9.9\n"
	few := testing.AllocsPerRun(10, func() { scanAll(strings.Repeat(line, 10)) })
	many := testing.AllocsPerRun(10, func() { scanAll(strings.Repeat(line, 1000)) })
	if many > few+1 { // strings.Repeat itself
		t.Errorf("%v allocations for 10 blocks of lines, %v for 1000", few, many)
	}
}

func scanAll(text string) (n int) {
	sc := NewScanner(strings.NewReader(text))
	for sc.Scan() {
		n += len(sc.Prefixes())
	}
	return n
}
