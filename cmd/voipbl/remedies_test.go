package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/rules"
)

// remediesIn are the texts of a file that are printed as remedies or are parts of them: results of
// methods and functions of that name, values of variables and fields of that name, and remedies
// passed to functions that note a trouble.
func remediesIn(file *ast.File) (texts []string) {
	isName := func(e ast.Node) bool {
		switch e := e.(type) {
		case *ast.Ident:
			name := strings.ToLower(e.Name) // another package's are exported
			return strings.Contains(name, "remedy") || slices.Contains([]string{"runsync", "agentrepairs", "mendfirst", "takefirst", "switchoff"}, name)
		case *ast.SelectorExpr:
			return e.Sel.Name == "Remedy"
		}
		return false
	}
	take := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, " ") {
					texts = append(texts, text)
				}
			}
			return true
		})
	}
	remedyOf := map[string]int{"note": 2, "problem": 0, "add": 0} // which argument is the remedy
	fieldOf := map[string]int{"RefusedError": 1, "Obstacle": 2}   // and which field of a type
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if isName(n.Name) && n.Body != nil {
				take(n.Body)
			}
		case *ast.KeyValueExpr:
			if isName(n.Key) {
				take(n.Value)
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if isName(name) && i < len(n.Values) {
					take(n.Values[i])
				}
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if isName(left) && len(n.Rhs) == len(n.Lhs) {
					take(n.Rhs[i])
				}
			}
		case *ast.CompositeLit: // without names of fields
			name := ""
			switch typ := n.Type.(type) {
			case *ast.Ident:
				name = typ.Name
			case *ast.SelectorExpr:
				name = typ.Sel.Name
			}
			if at, ok := fieldOf[name]; ok && at < len(n.Elts) {
				if _, named := n.Elts[at].(*ast.KeyValueExpr); !named {
					take(n.Elts[at])
				}
			}
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if at, ok := remedyOf[name]; ok && at < len(n.Args) && file.Name.Name != "main" {
				take(n.Args[at])
			}
		}
		return true
	})
	return texts
}

// allRemedies are those of the whole program, and where they are.
func allRemedies(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		case strings.HasPrefix(path, filepath.Join(root, "internal", "test")), strings.HasPrefix(path, filepath.Join(root, "internal", "friends")):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, text := range remediesIn(file) {
			found[text], _ = filepath.Rel(root, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// knownRemedies reads testdata/remedies.txt: how each is shown, by its text.
func knownRemedies(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "remedies.txt"))
	if err != nil {
		t.Fatal(err)
	}
	known, how := make(map[string]string), ""
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case line == "", line[0] == ';':
		case line[0] == '#':
			how = strings.TrimSpace(line[1:])
		default:
			remedy, err := strconv.Unquote(line)
			if err != nil {
				t.Fatalf("remedies.txt: %v: %s", err, line)
			}
			known[remedy] = how
		}
	}
	return known
}

var (
	ownCommand = regexp.MustCompile(`"voipbl ([a-z][^"]*)"`)
	verb       = regexp.MustCompile(`%(\[[0-9]\])?[a-z]`)
	escape     = regexp.MustCompile(`\\([^\w\s])`)
)

// TestRemediesAreKnown: what is printed as a remedy is listed in testdata/remedies.txt, with
// what carries it out in a test or why nothing can, and each command of ours in it exists.
func TestRemediesAreKnown(t *testing.T) {
	known := knownRemedies(t)
	for text, where := range allRemedies(t) {
		how, listed := known[text]
		delete(known, text)
		if !listed {
			t.Errorf("%s: %q is not in testdata/remedies.txt: what shows that it ends the trouble?", where, text)
		} else if why := notShown(text, how); why != "" {
			t.Errorf("%s: %q: remedies.txt says %q, and %s", where, text, how, why)
		}
		for _, m := range ownCommand.FindAllStringSubmatch(text, -1) {
			if why := noCommand(m[1]); why != "" {
				t.Errorf("%s: %q: %s", where, text, why)
			}
		}
	}
	for text := range known {
		t.Errorf("remedies.txt has %q, and the code does not", text)
	}
}

// notWritten are remedies that name a key of the configuration, where nothing is to be written
// into it.
var notWritten = []string{
	"make room in state_dir, ",
	"restart the agent, and leave run_dir alone",
	"check that the feed's url has the right port, ",
	"open the feed's url with curl -i ",
	"remove it from the feed's path: ",
	"run \"voipbl sync\": drop_at: auto means prerouting here",
	"this host is in local_networks: [",
	"\"voipbl allowed\" lists what is; ",
	"to block it all the same, run \"voipbl reload\" first: ",
	"systemctl start voipbl; without an agent every command reads ",
}

// TestRemediesOfTheFile: of each remedy that names a key of the configuration rules.TakenOver
// knows that it is about the file, or it stands in notWritten.
func TestRemediesOfTheFile(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "raw.go"))
	if err != nil {
		t.Fatal(err)
	}
	var forms []string
	for _, tag := range regexp.MustCompile("yaml:\"([a-z_0-9]+)").FindAllStringSubmatch(string(raw), -1) {
		key := tag[1]
		forms = append(forms, `["{]`+key+`:`, `(firewall|limits|metrics|names|bans|report|sip)\.`+key+`\b`, `feed's `+key+`\b`, `into "?`+key+`\b`)
		if strings.Contains(key, "_") {
			forms = append(forms, `\b`+key+`\b`)
		}
	}
	named := regexp.MustCompile(strings.Join(forms, "|") + "|the configuration|write its address")
	left := slices.Clone(notWritten)
	for text := range knownRemedies(t) {
		at := slices.IndexFunc(left, func(begin string) bool { return strings.HasPrefix(text, begin) })
		written := rules.TakenOver(text) != text
		switch {
		case !named.MatchString(text):
		case at >= 0:
			left = slices.Delete(left, at, at+1)
			if written {
				t.Errorf("%q is in notWritten, and becomes %q", text, rules.TakenOver(text))
			}
		case !written && !strings.HasPrefix(text, rules.MendFirst):
			t.Errorf("%q names a key of the configuration, and nothing knows whether that is to be written", text)
		}
	}
	if len(left) > 0 {
		t.Errorf("no remedies: %q", left)
	}
}

// notShown says why a remedy is not shown as remedies.txt says; nothing if it is.
func notShown(text, how string) string {
	kind, detail, _ := strings.Cut(how, " ")
	switch kind {
	case "table":
		if !slices.ContainsFunc(ways, func(w way) bool { return w.remedy.MatchString(text) }) {
			return "no way of answers_remedy_test.go is about it"
		}
	case "script":
		script, err := os.ReadFile(filepath.Join("..", "..", "testdata", "script", detail+".txt"))
		if err != nil {
			return err.Error()
		}
		plain := strings.NewReplacer("''", "'", ".*", " ").Replace(escape.ReplaceAllString(string(script), "$1"))
		for _, piece := range verb.Split(text, -1) {
			for _, words := range strings.Split(piece, "\"") {
				if words = strings.TrimSpace(words); len(words) > 8 && strings.Contains(plain, words[:min(len(words), 28)]) {
					return ""
				}
			}
		}
		return "the script does not have it"
	case "cannot:", "part:":
		if len(detail) < 10 {
			return "the reason is missing"
		}
	default:
		return "that is no way to show it"
	}
	return ""
}

// noCommand says what is wrong with a command of ours.
func noCommand(words string) string {
	fields := strings.Fields(words)
	cmd, args, err := newApp(nil, nil).command().Find(fields)
	if err != nil || !cmd.HasParent() {
		return "there is no command \"voipbl " + words + "\""
	}
	for _, arg := range args {
		if name, isFlag := strings.CutPrefix(arg, "--"); isFlag && cmd.Flags().Lookup(strings.SplitN(name, "=", 2)[0]) == nil {
			return cmd.CommandPath() + " has no flag " + arg
		}
	}
	return ""
}
