package main

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"path/filepath"
	"strconv"
	"strings"

	_ "embed"

	"golang.org/x/tools/go/ast/astutil"
	"golang.org/x/tools/go/packages"
)

// fault is one change of a program, which its tests should notice.
type fault struct {
	kind string // what is replaced, and by what: "== !="
	at   token.Position
}

//go:embed switch.go.txt
var switches string

// planter puts faults into the files of a package. Each stands beside the code that it replaces, and
// does nothing until it is switched on, so that the package is compiled once.
type planter struct {
	pkg    *packages.Package
	faults []fault // fault n is switched on by the number n+1
}

// plant returns the files of a package with all faults, by path, and what has to be added to the
// package so that they compile.
func (p *planter) plant(wanted func(name string) bool) (files map[string][]byte, err error) {
	files = make(map[string][]byte)
	for _, f := range p.pkg.Syntax {
		path := p.pkg.Fset.Position(f.Pos()).Filename
		if !wanted(filepath.Base(path)) {
			continue
		}
		p.file(f)
		var text bytes.Buffer
		if err := format.Node(&text, token.NewFileSet(), f); err != nil {
			return nil, err
		}
		files[path] = text.Bytes()
	}
	added := filepath.Join(filepath.Dir(p.pkg.GoFiles[0]), "planted_faults.go")
	files[added] = []byte("package " + p.pkg.Name + "\n" + switches)
	return files, nil
}

func (p *planter) file(f *ast.File) {
	loops := []int{0} // the number of enclosing loops, for each enclosing function
	f.Comments = slicesOf(f.Comments, func(g *ast.CommentGroup) bool { return strings.HasPrefix(g.List[0].Text, "//go:") })
	f.Doc = nil
	astutil.Apply(f, func(c *astutil.Cursor) bool {
		switch n := c.Node().(type) {
		case *ast.GenDecl: // their values must stay constant
			return n.Tok == token.VAR
		case *ast.ArrayType:
			return false
		case *ast.ForStmt, *ast.RangeStmt:
			loops[len(loops)-1]++
		case *ast.FuncLit, *ast.FuncDecl:
			loops = append(loops, 0)
		}
		return true
	}, func(c *astutil.Cursor) bool {
		switch n := c.Node().(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			loops[len(loops)-1]--
		case *ast.FuncLit, *ast.FuncDecl:
			loops = loops[:len(loops)-1]
		case *ast.BranchStmt:
			if _, labelled := c.Parent().(*ast.LabeledStmt); n.Label == nil && !labelled && loops[len(loops)-1] > 0 {
				p.branch(c, n)
			}
		case *ast.IncDecStmt:
			p.incDec(c, n)
		case *ast.UnaryExpr:
			p.unary(c, n)
		case *ast.BinaryExpr:
			p.binary(c, n)
		}
		return true
	})
}

func slicesOf[T any](all []T, keep func(T) bool) (kept []T) {
	for _, x := range all {
		if keep(x) {
			kept = append(kept, x)
		}
	}
	return kept
}

// number records a fault, and returns the number that switches it on.
func (p *planter) number(kind string, at token.Pos) ast.Expr {
	p.faults = append(p.faults, fault{kind, p.pkg.Fset.Position(at)})
	return &ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(len(p.faults))}
}

func call(function string, args ...ast.Expr) *ast.CallExpr {
	return &ast.CallExpr{Fun: ast.NewIdent(function), Args: args}
}

func block(list ...ast.Stmt) *ast.BlockStmt { return &ast.BlockStmt{List: list} }

// branch replaces continue by break, and the other way round.
func (p *planter) branch(c *astutil.Cursor, n *ast.BranchStmt) {
	other, found := map[token.Token]token.Token{token.BREAK: token.CONTINUE, token.CONTINUE: token.BREAK}[n.Tok]
	if found {
		on := call("faultOn", p.number(n.Tok.String()+" "+other.String(), n.Pos()))
		c.Replace(block(&ast.IfStmt{Cond: on, Body: block(&ast.BranchStmt{Tok: other})}, &ast.BranchStmt{Tok: n.Tok}))
	}
}

// incDec replaces ++ by --, and the other way round.
func (p *planter) incDec(c *astutil.Cursor, n *ast.IncDecStmt) {
	other := map[token.Token]token.Token{token.INC: token.DEC, token.DEC: token.INC}[n.Tok]
	on := call("faultOn", p.number(n.Tok.String()+" "+other.String(), n.TokPos))
	c.Replace(&ast.ExprStmt{X: &ast.CallExpr{Fun: function("", &ast.IfStmt{
		Cond: on, Body: block(&ast.IncDecStmt{X: n.X, Tok: other}), Else: block(&ast.IncDecStmt{X: n.X, Tok: n.Tok}),
	})}})
}

// function returns a function without parameters.
func function(result string, body ...ast.Stmt) *ast.FuncLit {
	t := &ast.FuncType{Params: &ast.FieldList{}}
	if result != "" {
		t.Results = &ast.FieldList{List: []*ast.Field{{Type: ast.NewIdent(result)}}}
	}
	return &ast.FuncLit{Type: t, Body: block(body...)}
}

// unary replaces -x by x, and the like.
func (p *planter) unary(c *astutil.Cursor, n *ast.UnaryExpr) {
	t, basic := p.pkg.TypesInfo.TypeOf(n).(*types.Basic)
	_, label := c.Parent().(*ast.CaseClause)
	if n.Op == token.SUB && basic && t.Info()&types.IsUntyped == 0 && !label {
		c.Replace(call("faultMinus["+t.Name()+"]", p.number("-x x", n.OpPos), n.X))
	}
}

// binaries are the operators to replace, with their replacements and the function that does it.
var binaries = map[token.Token]struct{ function, other string }{
	token.EQL: {"faultNot", "!="}, token.NEQ: {"faultNot", "=="},
	token.LAND: {"faultAnd", "||"}, token.LOR: {"faultOr", "&&"},
	token.ADD: {"faultAdd", "-"}, token.SUB: {"faultSub", "+"}, token.MUL: {"faultMul", "/"}, token.QUO: {"faultQuo", "*"}, token.REM: {"faultRem", "*"},
	token.AND: {"faultBitAnd", "|"}, token.OR: {"faultBitOr", "&"}, token.XOR: {"faultBitXor", "&"}, token.AND_NOT: {"faultBitAndNot", "&"},
	token.LSS: {"faultLess", "<= >="}, token.LEQ: {"faultLessEqual", "< >"}, token.GTR: {"faultGreater", ">= <="}, token.GEQ: {"faultGreaterEqual", "> <"},
}

func (p *planter) binary(c *astutil.Cursor, n *ast.BinaryExpr) {
	as, found := binaries[n.Op]
	if !found || !p.typed(n) {
		return
	}
	var first ast.Expr
	for other := range strings.FieldsSeq(as.other) { // each replacement has a number
		number := p.number(n.Op.String()+" "+other, n.OpPos)
		if first == nil {
			first = number
		}
	}
	switch n.Op {
	case token.EQL, token.NEQ: // of anything that can be compared
		c.Replace(call(as.function, first, n))
	case token.LAND, token.LOR:
		c.Replace(call(as.function, first, n.X, function("bool", &ast.ReturnStmt{Results: []ast.Expr{n.Y}})))
	default:
		c.Replace(call(as.function, first, n.X, n.Y))
	}
}

// typed reports whether an expression still has a type when it is no longer constant, and is a
// number: + also joins texts.
func (p *planter) typed(n *ast.BinaryExpr) bool {
	info := p.pkg.TypesInfo.Types
	if info[n.X].Value != nil && info[n.Y].Value != nil {
		return false
	}
	switch n.Op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.LAND, token.LOR:
		return true
	}
	t, basic := info[n].Type.Underlying().(*types.Basic)
	return basic && t.Info()&types.IsNumeric != 0
}
