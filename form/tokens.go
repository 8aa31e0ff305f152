package form

import (
	"fmt"
	"io"
)

const (
	window   = 64 << 10 // of the text that is looked at together, in bytes
	maxToken = 4 << 10  // of a text or number that is kept; a longer one is no entry
)

// tokens reads JSON (RFC 8259) token by token, through a window of fixed size.
type tokens struct {
	in   io.Reader
	buf  [window]byte
	r, w int   // the window's unread part
	gone int64 // bytes before the window
	err  error // that ended the reading; io.EOF at the end
	word []byte
}

// fill reads more into the window, keeping its unread part. It reports whether it got any.
func (t *tokens) fill() bool {
	if t.err != nil {
		return false
	}
	t.gone += int64(t.r)
	t.w = copy(t.buf[:], t.buf[t.r:t.w])
	t.r = 0
	for range 100 {
		n, err := t.in.Read(t.buf[t.w:])
		t.w += n
		t.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	t.err = io.ErrNoProgress
	return false
}

// next skips blanks, and returns the first byte after them without reading it; 0 at the end.
func (t *tokens) next() byte {
	for {
		for t.r < t.w {
			switch c := t.buf[t.r]; c {
			case ' ', '\t', '\r', '\n':
				t.r++
			default:
				return c
			}
		}
		if !t.fill() {
			return 0
		}
	}
}

// expect reads one byte after blanks, which is to be c.
func (t *tokens) expect(c byte) error {
	if t.next() != c {
		return t.wrong(fmt.Sprintf("%q", c))
	}
	t.r++
	return nil
}

// ends are the bytes that end a run of a string's plain bytes.
var ends = func() (ends [256]bool) {
	for c := range ' ' {
		ends[c] = true
	}
	ends['"'], ends['\\'] = true, true
	return ends
}()

// text reads a string, whose quote is next. What it returns is valid until the next call; long
// is true for one that is longer than maxToken, which is skipped.
func (t *tokens) text() (text []byte, long bool, err error) {
	for i := t.r + 1; i < t.w; i++ {
		if c := t.buf[i]; ends[c] {
			if c != '"' {
				break
			}
			text = t.buf[t.r+1 : i]
			t.r = i + 1
			return text, len(text) > maxToken, nil
		}
	}
	return t.slowText()
}

// slowText is text for any string: one with escapes, or across the window's end.
func (t *tokens) slowText() (text []byte, long bool, err error) {
	t.r++
	t.word = t.word[:0]
	for {
		c, ok := t.byte()
		switch {
		case !ok:
			return nil, false, t.wrong("the end of a text")
		case c == '"':
			return t.word, long, nil
		case c < ' ':
			t.r--
			return nil, false, &brokenError{what: fmt.Sprintf("it is not valid JSON: a control character in a text, at byte %d", t.gone+int64(t.r))}
		case c == '\\':
			r, err := t.escape()
			if err != nil {
				return nil, false, err
			}
			t.word = append(t.word, string(r)...)
		default:
			t.word = append(t.word, c)
		}
		if len(t.word) > maxToken {
			t.word, long = t.word[:0], true
		}
	}
}

// byte reads a byte.
func (t *tokens) byte() (byte, bool) {
	if t.r == t.w && !t.fill() {
		return 0, false
	}
	t.r++
	return t.buf[t.r-1], true
}

// escape reads what follows a backslash. Halves of surrogate pairs become U+FFFD, each: an
// entry has none.
func (t *tokens) escape() (rune, error) {
	c, _ := t.byte()
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b', 'f', 'n', 'r', 't':
		return map[byte]rune{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[c], nil
	case 'u':
		var r rune
		for range 4 {
			c, _ := t.byte()
			digit, ok := hexDigit(c)
			if !ok {
				return 0, t.wrong("four hexadecimal digits")
			}
			r = r<<4 | rune(digit)
		}
		return r, nil
	}
	return 0, t.wrong("an escape of JSON")
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// scalar reads a number, true, false or null. What it returns is valid until the next call.
func (t *tokens) scalar() ([]byte, error) {
	t.word = t.word[:0]
	for {
		if t.r == t.w && !t.fill() {
			break
		}
		c := t.buf[t.r]
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		if t.r++; len(t.word) == maxToken {
			return nil, t.wrong("a shorter number")
		}
		t.word = append(t.word, c)
	}
	switch string(t.word) {
	case "true", "false", "null":
		return t.word, nil
	}
	switch {
	case isNumber(t.word):
		return t.word, nil
	case t.r == t.w && isNumber(append(t.word, '0')), len(t.word) == 0:
		return nil, t.wrong("a value")
	}
	at := t.gone + int64(t.r) - int64(len(t.word))
	return nil, &brokenError{what: fmt.Sprintf("it is not valid JSON: at byte %d, %q is no value", at, t.word[:min(len(t.word), maxShown)])}
}

// isNumber reports whether s is a number of JSON.
func isNumber(s []byte) bool {
	digits := func() (n int) {
		for ; len(s) > 0 && '0' <= s[0] && s[0] <= '9'; n++ {
			s = s[1:]
		}
		return n
	}
	is := func(chars string) bool {
		for i := range len(chars) {
			if len(s) > 0 && s[0] == chars[i] {
				s = s[1:]
				return true
			}
		}
		return false
	}
	is("-")
	if !is("0") && digits() == 0 {
		return false
	}
	if is(".") && digits() == 0 {
		return false
	}
	if is("eE") {
		is("+-")
		if digits() == 0 {
			return false
		}
	}
	return len(s) == 0
}

// wrong is the error for text that has something else than what is wanted here.
func (t *tokens) wrong(want string) error {
	at := t.gone + int64(t.r)
	switch {
	case t.r < t.w || t.err == nil:
		return &brokenError{what: fmt.Sprintf("it is not valid JSON: at byte %d, where %s is expected", at, want)}
	case t.err == io.EOF:
		return &brokenError{what: fmt.Sprintf("the JSON ends after %d bytes, in the middle", at), cut: true}
	}
	return t.err
}
