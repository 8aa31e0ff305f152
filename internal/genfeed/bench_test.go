package genfeed

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	for _, lines := range []int{DefaultLines, 1_000_000} {
		b.Run(fmt.Sprint(lines), func(b *testing.B) {
			for b.Loop() {
				if _, err := Write(io.Discard, Default(lines)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
