package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// list makes a list of VoIPBL's kind.
func (b *bench) list(lines int) ([]byte, error) {
	return output(b.genfeed, "-no-header", "-n", strconv.Itoa(lines))
}

// changed returns a list in which every hundredth line is another.
func changed(list []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(list))
	n := 0
	for line := range bytes.Lines(list) {
		if n++; n%100 == 0 {
			i := n / 100
			line = fmt.Appendf(nil, "%d.%d.%d.9\n", 77+i>>16, i>>8&255, i&255)
		}
		out.Write(line)
	}
	return out.Bytes()
}

// cut writes a list as so many files, each about as long, f0 and on.
func cut(dir string, list []byte, files int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range files {
		piece := list
		if i < files-1 {
			at := len(list) / (files - i)
			at += bytes.IndexByte(list[at:], '\n') + 1
			piece, list = list[:at], list[at:]
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), piece, 0o644); err != nil {
			return err
		}
	}
	return nil
}
