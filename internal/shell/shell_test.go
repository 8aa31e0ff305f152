package shell

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShellCommands(t *testing.T) {
	for text, want := range map[string][][]string{
		"":                                    nil,
		"a b\nc":                              {{"a", "b"}, {"c"}},
		"a ;b|c&&d||e& f":                     {{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"f"}},
		`a 'b c' "d \"e" f\ g ""`:             {{"a", "b c", `d "e`, "f g", ""}},
		"a b\nc 'open d":                      {{"a", "b"}}, // what a shell runs before it sees the error
		"if a; then b; else c; fi":            {{"a"}, {"b"}, {"c"}},
		"{ a; } || { ! b; }":                  {{"a"}, {"b"}},
		"for p in $(echo 'x;y'); do a; done":  {{"a"}},
		"case x in a) b;; *) c;; esac":        {{"b"}, {"c"}},
		"while a; do b; done":                 {{"a"}, {"b"}},
		"f() { a; }; f":                       {{"a"}, {"f"}},
		"X=1 Y= sudo a b=c":                   {{"a", "b=c"}},
		"sudo -n nice -n 5 a":                 {{"a"}},
		"timeout 5 a b":                       {{"a", "b"}},
		"timeout -s KILL 5 a b":               {{"a", "b"}},
		"timeout --signal KILL -k 1 5 a -s b": {{"a", "-s", "b"}},
		"sudo -u root -n a":                   {{"a"}},
		"timeout -s":                          nil,
		"flock -w 5 /run/lock a b":            {{"a", "b"}},
		"'if' a":                              {{"if", "a"}},
		"a \\\n b":                            {{"a", "b"}},
		"a `b;c` $(d $(e;f);g) $h":            {{"b"}, {"c"}, {"e"}, {"f"}, {"d", "$()"}, {"g"}, {"a", "$()", "$()", "$h"}},
		"x=$(a <ip>)":                         {{"a", "<ip>"}},
		"x=b; a $x ${x}c ${x:-d}":             {{"a", "b", "bc", "$x"}},
		"nft add x \\{ <ip> \\}":              {{"nft", "add", "x", "{", "<ip>", "}"}},
		"( a )":                               {{"a"}},
		"sh -c 'a <ip>; b'":                   {{"a", "<ip>"}, {"b"}, {"sh", "-c", "a <ip>; b"}},
		"echo a <ip> | sh":                    {{"echo", "a", "<ip>"}, {"a", "<ip>"}, {"sh"}},
		"echo <ip> | xargs -n 1 a b":          {{"echo", "<ip>"}, {"a", "b", "<ip>"}},
		"echo <ip> | xargs -I{} a {} b":       {{"echo", "<ip>"}, {"a", "<ip>", "b"}},
	} {
		var got [][]string
		for _, c := range Commands(text) {
			got = append(got, c.Words)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// TestShellInput: commands get the input that the script itself writes.
func TestShellInput(t *testing.T) {
	for text, want := range map[string]string{
		"printf 'add x <ip>\\n' | a":                        "add x <ip>\n",
		"printf 'add x <ip> %s\\nadd y <ip> %s\\n' 1 2 | a": "add x <ip> 1\nadd y <ip> 2\n",
		"printf '%s %%\\n' 1 2 | a":                         "1 %\n2 %\n",
		"printf -- '%b' 'x\\ny' | a":                        "x\ny",
		"echo add x <ip> | a":                               "add x <ip>\n",
		"echo -e \"x\\ny\" | a":                             "x\ny\n",
		"{ echo x; echo y; } | sudo a":                      "x\ny\n",
		"( echo x && printf y ) | cat | a":                  "x\ny",
		"a <<E\nadd x <ip>\nE\n":                            "add x <ip>\n",
		"cat <<'E' | a\nx\nE\n":                             "x\n",
		"a <<<'add x <ip>'":                                 "add x <ip>",
		"s=x; printf \"add $s <ip>\\n\" | { b; a; }":        "add x <ip>\n",
		"somebody | a":                                      "",
		"if b; then printf x | a; fi":                       "x",
	} {
		found := false
		for _, c := range Commands(text) {
			if c.Words[0] == "a" {
				found = true
				if c.Stdin != want {
					t.Errorf("%q: %q, not %q", text, c.Stdin, want)
				}
			}
		}
		if !found {
			t.Errorf("%q: no such command", text)
		}
	}
}
