package form

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxRow is the longest row of CSV that is read, in bytes.
const maxRow = 64 << 10

// A table takes the entries out of CSV (RFC 4180), of which a row is a line: no published list
// has a line's end within quotes, and without this rule one quote too many would swallow the
// rest of the list.
type table struct {
	in        io.Reader
	out       lines
	separator byte
	column    string // its name or number

	row     int
	at      int // the column's index
	buf     []byte
	unnamed bool // the column has a number, and no row has been read
}

func (t *table) run() error {
	rows := bufio.NewReaderSize(t.in, maxRow)
	n, err := strconv.Atoi(t.column)
	named := err != nil
	t.at, t.unnamed = n-1, !named
	for {
		row, long, err := cutRow(rows)
		if err == io.EOF {
			if named {
				return &Mismatch{"CSV without a first line", "look at what the source gives"}
			}
			return nil
		}
		if err != nil {
			return err
		}
		if len(row) == 0 || row[0] == '#' {
			continue
		}
		if named {
			if t.at, err = t.find(row, long); err != nil {
				return err
			}
			named = false
			continue
		}
		t.row++
		t.take(row, long)
		if t.out.stopped {
			return errStopped
		}
	}
}

// cutRow reads a line. Of one longer than maxRow it returns the beginning.
func cutRow(rows *bufio.Reader) (row []byte, long bool, err error) {
	row, err = rows.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		row, long = append([]byte(nil), row[:maxShown]...), true
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = rows.ReadSlice('\n')
		}
	}
	if err == io.EOF && len(row) > 0 {
		err = nil
	}
	for len(row) > 0 && (row[len(row)-1] == '\n' || row[len(row)-1] == '\r') {
		row = row[:len(row)-1]
	}
	return row, long, err
}

// find returns the index of the named column.
func (t *table) find(row []byte, long bool) (int, error) {
	var names []string
	for i := 0; !long && i < maxColumns; i++ {
		name, why := t.cell(row, i)
		if why == noColumn {
			break
		}
		text := strings.TrimSpace(string(name))
		if text == t.column {
			return i, nil
		}
		names = append(names, strconv.Quote(text[:min(len(text), maxShown)]))
	}
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return 0, &Mismatch{"CSV whose first line has no column " + strconv.Quote(t.column) + ", but " + strings.Join(names, ", "),
		"correct the feed's column and separator; a list without a line of names has numbered columns"}
}

// maxColumns is how many columns are looked at for a name.
const maxColumns = 1000

// take writes the entry of a row.
func (t *table) take(row []byte, long bool) {
	first := t.unnamed
	t.unnamed = false
	if long {
		t.out.refused("row %d is longer than %d bytes", t.row, maxRow)
		return
	}
	cell, why := t.cell(row, t.at)
	switch {
	case why != "":
		t.out.refused("row %d: %s", t.row, why)
	case first && !hasDigit(cell):
		t.row-- // the names of the columns
	default:
		t.out.entry(cell, t.row)
	}
}

// hasDigit reports whether an entry may be meant: each has a digit.
func hasDigit(s []byte) bool {
	for _, c := range s {
		if '0' <= c && c <= '9' {
			return true
		}
	}
	return false
}

// Why a row has no such cell.
const (
	noColumn  = "it has too few columns"
	badQuotes = "a quote too many, or one that is not closed in the same line"
)

// cell returns the cell at an index of a row. It is valid until the next call.
func (t *table) cell(row []byte, at int) (cell []byte, why string) {
	for i := 0; ; i++ {
		t.buf = t.buf[:0]
		var rest []byte
		if quoted := len(row) > 0 && row[0] == '"'; quoted {
			var ok bool
			if rest, ok = t.unquote(row[1:]); !ok || len(rest) > 0 && rest[0] != t.separator {
				return nil, badQuotes
			}
			cell = t.buf
		} else {
			end := 0
			for end < len(row) && row[end] != t.separator {
				if row[end] == '"' {
					return nil, badQuotes
				}
				end++
			}
			cell, rest = row[:end], row[end:]
		}
		switch {
		case i == at:
			return cell, ""
		case len(rest) == 0:
			return nil, noColumn
		}
		row = rest[1:]
	}
}

// unquote copies a cell up to its closing quote, and returns what follows it.
func (t *table) unquote(row []byte) (rest []byte, ok bool) {
	for i := 0; i < len(row); i++ {
		switch {
		case row[i] != '"':
			t.buf = append(t.buf, row[i])
		case i+1 < len(row) && row[i+1] == '"':
			t.buf = append(t.buf, '"')
			i++
		default:
			return row[i+1:], true
		}
	}
	return nil, false
}
