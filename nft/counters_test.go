package nft

import (
	"encoding/binary"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// TestExpressionInAnyOrder: the kernel may send the numbers of an expression before its name.
func TestExpressionInAnyOrder(t *testing.T) {
	counter, err := expr.Marshal(0, &expr.Counter{Packets: 3, Bytes: 180})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := netlink.NewAttributeDecoder(counter)
	if err != nil {
		t.Fatal(err)
	}
	whole.ByteOrder = binary.BigEndian
	_, data := decodeExpression(whole)
	for _, name := range []string{"counter", "quota"} {
		ae := netlink.NewAttributeEncoder()
		ae.Bytes(unix.NFTA_EXPR_DATA, data)
		ae.String(unix.NFTA_EXPR_NAME, name)
		raw, err := ae.Encode()
		if err != nil {
			t.Fatal(err)
		}
		ad, err := netlink.NewAttributeDecoder(raw)
		if err != nil {
			t.Fatal(err)
		}
		var got, want Count
		if name == "counter" {
			want = Count{3, 180}
		}
		if err := got.read(decodeExpression(ad)); err != nil || got != want {
			t.Errorf("%s: %v, not %v (%v)", name, got, want, err)
		}
	}
}
