package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decode fills a rawConfig from the syntax tree and records the place of each value. After an
// error it leaves the value nil and goes on, so that all errors are reported at once.
func (r *reader) decode(root ast.Node) rawConfig {
	var raw rawConfig
	if root != nil && root.Type() != ast.NullType {
		r.value("", root, reflect.ValueOf(&raw).Elem(), "set: voip_bl")
	}
	return raw
}

// value decodes a value into a field, or into an element of one. example is the
// field's.
func (r *reader) value(key string, node ast.Node, dst reflect.Value, example string) {
	r.places[key] = nodePlace(node)
	m, isMapping := node.(*ast.MappingNode)
	s, isSequence := node.(*ast.SequenceNode)
	switch t := dst.Type(); {
	case isMapping && t.Kind() == reflect.Struct:
		r.mapping(key, m, dst)
	case isMapping && t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		dst.Set(reflect.New(t.Elem()))
		r.mapping(key, m, dst.Elem())
	case isSequence && t == reflect.TypeFor[*portsText]():
		r.portList(key, s, dst)
	case isSequence && t.Kind() == reflect.Slice:
		dst.Set(reflect.MakeSlice(t, len(s.Values), len(s.Values)))
		for i, item := range s.Values {
			r.value(fmt.Sprintf("%s[%d]", key, i), item, dst.Index(i), example)
		}
	case !scalar(node, dst):
		r.fail(key, faultf(shape(t, example), "wrong type, %s", describe(node)))
	}
}

// mapping decodes the values of a mapping into the fields of a struct.
func (r *reader) mapping(key string, m *ast.MappingNode, dst reflect.Value) {
	keys := keysOf(dst.Type())
	lines := make(map[string]int) // of the keys seen
	for _, pair := range m.Values {
		tk := pair.Key.GetToken()
		at := tokenPlace(tk)
		name := tk.Value
		field, ok := keys.fields[name]
		if !ok {
			r.failAt(at, key, faultf(suggestKey(name, keys.names), "unknown key %s", quote(name)))
			continue
		}
		path := name
		if key != "" {
			path = key + "." + name
		}
		if line, twice := lines[name]; twice {
			r.failAt(at, path, faultf(fmt.Sprintf("expected one; the first is on line %d", line),
				"key %q is written twice", name))
			continue
		}
		lines[name] = at.line
		example := field.Tag.Get("example")
		if pair.Value.Type() == ast.NullType {
			r.places[path] = at
			r.failAt(at, path, faultf(shape(field.Type, example)+", or no such key for the default", "no value"))
			continue
		}
		r.value(path, pair.Value, dst.FieldByIndex(field.Index), example)
	}
}

// portList decodes a list of ports into the same ports as text.
func (r *reader) portList(key string, s *ast.SequenceNode, dst reflect.Value) {
	var words []string
	for i, item := range s.Values {
		word, ok := text(item)
		if !ok {
			of := fmt.Sprintf("%s[%d]", key, i)
			r.places[of] = nodePlace(item)
			r.fail(of, faultf(rangeExample, "wrong type, %s", describe(item)))
			return
		}
		words = append(words, word)
	}
	dst.Set(reflect.ValueOf(new(portsText(strings.Join(words, ",")))))
}

// scalar decodes a single value into a pointer to it.
func scalar(node ast.Node, dst reflect.Value) bool {
	switch p := dst.Addr().Interface().(type) {
	case **bool:
		if n, ok := node.(*ast.BoolNode); ok {
			*p = &n.Value
			return true
		}
	case **int:
		if n, ok := node.(*ast.IntegerNode); ok {
			return integer(n.Value, p)
		}
	case **string:
		if s, ok := text(node); ok {
			*p = &s
			return true
		}
	case **portsText:
		if s, ok := text(node); ok {
			*p = new(portsText(s))
			return true
		}
	}
	return false
}

// integer decodes a number if it fits an int.
func integer(v any, dst **int) bool {
	var i int
	switch v := v.(type) {
	case int64:
		i = int(v)
		if int64(i) != v {
			return false
		}
	case uint64:
		i = int(v)
		if i < 0 || uint64(i) != v {
			return false
		}
	default:
		return false
	}
	*dst = &i
	return true
}

// text returns a value's text. A number counts as text, too, as written in the file, so that
// ports and sizes need no quotes.
func text(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// shape says what kind of value a field of a raw struct holds, with its example.
func shape(t reflect.Type, example string) string {
	if t.Kind() == reflect.Slice {
		if t.Elem().Elem().Kind() == reflect.Struct {
			example = "{" + example + "}"
		}
		return "expected a list, such as [" + example + "]"
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return "expected keys with values, such as {" + example + "}"
	case reflect.Bool:
		return "expected true or false"
	case reflect.Int:
		return "expected a whole number, such as " + example
	}
	return "expected text, such as " + strconv.Quote(example)
}

// describe says what a node is, and quotes it if it is a single value.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.MappingNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "no value"
	case *ast.StringNode, *ast.LiteralNode:
		s, _ := text(node)
		return fmt.Sprintf("text (%s)", quote(s))
	case *ast.BoolNode:
		return fmt.Sprintf("a truth value (%t)", n.Value)
	}
	return fmt.Sprintf("a number (%s)", quote(node.GetToken().Value))
}

// nodePlace returns where a value begins. A mapping without braces begins with its first key;
// the parser itself gives the place of the colon after that key.
func nodePlace(node ast.Node) place {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return tokenPlace(m.Values[0].Key.GetToken())
	}
	return tokenPlace(node.GetToken())
}
