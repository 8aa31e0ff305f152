package asterisk

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// none finds no file.
func none(string) ([]source, error) { return nil, fs.ErrNotExist }

// flat prints the sections as "name: a=1 b=2", templates in parentheses.
func flat(c *astConfig) string {
	var b strings.Builder
	for _, s := range c.sections {
		name := s.name
		if s.template {
			name = "(" + name + ")"
		}
		fmt.Fprintf(&b, "%s:", name)
		for _, v := range s.vars {
			fmt.Fprintf(&b, " %s=%s", v.name, v.value)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestParseAsterisk(t *testing.T) {
	for _, c := range []struct{ name, text, want, problem string }{
		{"spaces and arrows", "[a]\n x = 1 \ny=>2\nz\t=>\t 3", "a: x=1 y=2 z=3\n", ""},
		{"an arrow that is one of a value", "[a]\nx = >1", "a: x=>1\n", ""},
		{"comments", "; no\n[a] ; no\nx=1;no\n;y=2", "a: x=1\n", ""},
		{"an escaped semicolon", "[a]\nx=sip:h\\;lr ; no", "a: x=sip:h;lr\n", ""},
		{"a block", "[a]\n;-- x=1\n[b]\n--;y=2", "a: y=2\n", ""},
		{"a block in a line", "[a]\nx=1;-- no --;2", "a: x=12\n", ""},
		{"nested blocks", "[a]\n;-- ;-- \n--; x=1\n--;\ny=2", "a: y=2\n", ""},
		{"a rule of dashes is no block", ";--------;\n[a]\n;---\nx=1", "a: x=1\n", ""},
		{"an open block", "[a]\n;--\nx=1\n", "a:\n", "line 2: the comment"},
		{"a template", "[t](!)\nx=1\n[a](t)\ny=2\nx=3", "(t): x=1\na: x=1 y=2 x=3\n", ""},
		{"two templates", "[t](!)\nx=1\n[u](!)\ny=1\n[a](t,u)", "(t): x=1\n(u): y=1\na: x=1 y=1\n", ""},
		{"a section to inherit from", "[t]\nx=1\n[a](t)", "t: x=1\na: x=1\n", ""},
		{"a copy, not the template itself", "[t](!)\nx=1\n[a](t)\nx+=2\n[b](t)", "(t): x=1\na: x=12\nb: x=1\n", ""},
		{"an addition", "[a]\nx=1\n[b]\n[a](+)\ny=2", "a: x=1 y=2\nb:\n", ""},
		{"an addition to one of several", "[a]\ntype=x\n[a]\ntype=y\n[a](+type=y)\nz=1", "a: type=x\na: type=y z=1\n", ""},
		{"no template is added to", "[t](!)\nx=1\n[t](+)\ny=2", "(t): x=1\n", "not there"},
		{"an addition to nothing", "[a](+)\nx=1", "", `"[a](+)" adds to a section that is not there`},
		{"nobody's child", "[a](t)\nx=1\n[b]\ny=1", "b: y=1\n", `"[a](t)" inherits from a section that is not there`},
		{"case does not matter", "[T](!)\nx=1\n[a](t)", "(T): x=1\na: x=1\n", ""},
		{"adding keeps the space", "[a]\nx=1\nx+= 2\ny+=3", "a: x=1 2 y=3\n", ""},
		{"a backslash in front", "[a]\n\\[x]=1\n\\#y=2", "a: [x]=1 #y=2\n", ""},
		{"words after the bracket", "[a] (t)\nx=1", "a: x=1\n", ""},
		{"carriage returns and a byte order mark", "\uFEFF[a]\r\nx=1\r\n", "a: x=1\n", ""},
		{"no section", "x=1\n[a]\ny=1", "a: y=1\n", `line 1: "x=1" stands in no section`},
		{"half a heading", "[a]\nx=1\n[b\ny=1", "a: x=1\n", `line 3: "[b" has no closing bracket`},
		{"half of its options", "[a]\n[b](a\ny=1", "a:\n", "closing parenthesis"},
		{"no sign", "[a]\nx", "a:\n", `"x" has no "="`},
		{"an absent file", "#include x.conf\n[a]", "a:\n", "line 1"},
		{"an absent file that may be", "#tryinclude x.conf\n[a]", "a:\n", ""},
		{"a program", "[a]\n#exec /bin/echo x=1\n", "a:\n", "is not run"},
		{"something else", "#if x\n[a]", "a:\n", "no directive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parseAsterisk(source{"x", c.text}, none, true)
			if d := cmp.Diff(c.want, flat(got)); d != "" {
				t.Error(d)
			}
			if said := fmt.Sprint(got.problems); (c.problem == "") != (len(got.problems) == 0) || !strings.Contains(said, c.problem) {
				t.Errorf("problems %s, want %q", said, c.problem)
			}
		})
	}
}

func TestIncludes(t *testing.T) {
	files := map[string]string{
		"mid":    "y=2\n[b]\nx=9\n",
		"loop":   "#include loop2\n[l]\n",
		"loop2":  "#include \"loop\"\n[l2]\n",
		"broken": "[x\n",
	}
	open := func(name string) ([]source, error) {
		if text, ok := files[name]; ok {
			return []source{{name, text}}, nil
		}
		return nil, fs.ErrNotExist
	}
	// An included file starts in the section that includes it, and that section continues after it.
	c := parseAsterisk(source{"main", "[a]\nx=1\n#include <mid>\nz=3\n#include loop\n#INCLUDE broken"}, open, true)
	if d := cmp.Diff("a: x=1 y=2 z=3\nb: x=9\nl2:\nl:\n", flat(c)); d != "" {
		t.Error(d)
	}
	want := []string{
		`loop2, line 1: "#include \"loop\"": it includes itself`,
		`broken, line 1: "[x" has no closing bracket`,
	}
	var got []string
	for _, p := range c.problems {
		got = append(got, p.Error())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestAsteriskLimits parses files that would take all memory or time without limits.
func TestAsteriskLimits(t *testing.T) {
	many := "[t0](!)\n" + strings.Repeat("x=1\n", 10)
	for i := range 40 {
		many += fmt.Sprintf("[t%d](!,t%d,t%d)\n", i+1, i, i)
	}
	deep := func(name string) ([]source, error) {
		return []source{{name + "x", "#include " + name + "x\n[s]\nx=1\n"}}, nil
	}
	wide := func(string) ([]source, error) {
		return make([]source, 3*maxAstFiles), nil
	}
	for _, c := range []struct {
		name, text, problem string
		open                opener
	}{
		{"templates that double", many, "more than 500000 variables", none},
		{"a value that grows", "[a]\nx=1\n" + strings.Repeat("x+="+strings.Repeat("y", 1000)+"\n", 100), "more than 64 KiB", none},
		{"files without end", "#include x", "more than 10 files deep", deep},
		{"many files", "#include *", "more than 1000 files", wide},
		{"large files", "#include a\n#include b", "or 64 MiB", func(name string) ([]source, error) {
			return []source{{name, strings.Repeat(";", 40<<20)}}, nil
		}},
	} {
		got := parseAsterisk(source{"main", c.text}, c.open, true)
		if said := fmt.Sprint(got.problems); !strings.Contains(said, c.problem) {
			t.Errorf("%s: problems %s, want %q", c.name, said, c.problem)
		}
		vars := 0
		for _, s := range got.sections {
			vars += len(s.vars)
		}
		if vars > maxAstVars {
			t.Errorf("%s: %d variables", c.name, vars)
		}
	}
}

// FuzzAsterisk: a parsed configuration, written down without templates and parsed again, is the
// same.
func FuzzAsterisk(f *testing.F) {
	for _, seed := range []string{
		"[a](!)\nx=1\n[b](a)\ny=>2;c\n[b](+)\nx+=3\n", "[a]\n;--\n--;x=\\;1", "[a]\n#include self\n\\[x=2", "[a]\n= 1\n+=2\nx+=;", "[+](!,+)\n", "[a]\nx=1\n[a](+x=1&y=)\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		open := func(name string) ([]source, error) {
			if name == "self" {
				return []source{{"self", text}}, nil
			}
			return nil, fs.ErrNotExist
		}
		first := parseAsterisk(source{"main", text}, open, true)
		var b strings.Builder
		escape := strings.NewReplacer(";", `\;`)
		for _, s := range first.sections {
			fmt.Fprintf(&b, "[%s]", escape.Replace(s.name))
			if s.template {
				b.WriteString("(!)")
			}
			b.WriteString("\n")
			for _, v := range s.vars {
				fmt.Fprintf(&b, "\\%s = %s\n", escape.Replace(v.name), escape.Replace(v.value))
			}
		}
		second := parseAsterisk(source{"again", b.String()}, none, true)
		if len(second.problems) > 0 {
			t.Fatalf("%q is written as %q, in which are %v", text, b.String(), second.problems)
		}
		if d := cmp.Diff(flat(first), flat(second)); d != "" {
			t.Errorf("%q is written as %q:\n%s", text, b.String(), d)
		}
	})
}
