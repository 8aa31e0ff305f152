package screen

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// Asker asks questions on a terminal.
type Asker struct {
	out   *Output
	lines chan string
}

// NewAsker returns nil if nobody is at a terminal.
func NewAsker(out *Output) *Asker {
	if !out.Terminal || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	k := &Asker{out: out, lines: make(chan string)}
	go func() { // a read cannot be interrupted, but waiting for it can
		defer close(k.lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			k.lines <- strings.TrimSpace(in.Text())
		}
	}()
	return k
}

// ask returns the answer, or otherwise if the answer is empty.
func (k *Asker) ask(ctx context.Context, question, otherwise string) (string, error) {
	fmt.Fprintf(k.out, "%s [%s] ", question, otherwise)
	select {
	case line, ok := <-k.lines:
		if !ok {
			fmt.Fprintln(k.out)
			return "", context.Canceled
		}
		if line == "" {
			return otherwise, nil
		}
		return line, nil
	case <-ctx.Done():
		fmt.Fprintln(k.out)
		return "", context.Cause(ctx)
	}
}

// Yes asks until the answer is yes or no.
func (k *Asker) Yes(ctx context.Context, question string, otherwise bool) (bool, error) {
	choice := map[bool]string{true: "Y/n", false: "y/N"}[otherwise]
	for {
		answer, err := k.ask(ctx, question, choice)
		switch answer = strings.ToLower(answer); {
		case err != nil:
			return false, err
		case answer == strings.ToLower(choice):
			return otherwise, nil
		case answer == "y", answer == "yes":
			return true, nil
		case answer == "n", answer == "no":
			return false, nil
		}
	}
}

// noWords is what a question for words shows if an empty answer means none.
const noWords = "Enter: none"

// Words asks for several words, separated by spaces or commas; "none" means no words.
func (k *Asker) Words(ctx context.Context, question string, otherwise []string) ([]string, error) {
	answer, err := k.ask(ctx, question, cmp.Or(strings.Join(otherwise, " "), noWords))
	if err != nil || answer == noWords || answer == "none" {
		return nil, err
	}
	return strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' }), nil
}
