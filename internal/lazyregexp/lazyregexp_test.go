package lazyregexp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	a := New("a+")
	first := a()
	if first.FindString("baac") != "aa" {
		t.Error("it finds something else")
	}
	if a() != first {
		t.Error("it is compiled twice")
	}
	defer func() {
		if recover() == nil {
			t.Error("a mistake in an expression is no panic")
		}
	}()
	New("(")()
}

// TestExpressions compiles all expressions in the code: nothing else finds a mistake before the
// first use.
func TestExpressions(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || filepath.Dir(path) == "../../internal/lazyregexp" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "lazyregexp.New(") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if of, ok := call.Fun.(*ast.SelectorExpr); !ok || of.Sel.Name != "New" || !isPackage(of.X) {
				return true
			}
			found++
			expression, ok := constant(call.Args[0])
			if !ok {
				t.Errorf("%s: an expression is not made of literals", path)
			} else if _, err := regexp.Compile(expression); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Errorf("only %d expressions were found", found)
	}
}

func isPackage(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && name.Name == "lazyregexp"
}

// constant returns the value of a literal, or of several that are joined. What regexp.QuoteMeta
// makes is no mistake.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, ok := constant(e.X)
		right, alsoOK := constant(e.Y)
		return left + right, ok && alsoOK && e.Op == token.ADD
	case *ast.CallExpr:
		of, ok := e.Fun.(*ast.SelectorExpr)
		return "", ok && of.Sel.Name == "QuoteMeta"
	}
	return "", false
}
