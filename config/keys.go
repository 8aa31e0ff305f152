package config

import (
	"reflect"
	"strings"
	"sync"
)

// structKeys are the keys of a raw struct.
type structKeys struct {
	names  []string // in the order of the fields
	fields map[string]reflect.StructField
}

// knownKeys has the keys of each raw struct seen: a file may have hundreds of feeds.
var knownKeys sync.Map

// keysOf returns the keys of a raw struct.
func keysOf(t reflect.Type) *structKeys {
	if known, ok := knownKeys.Load(t); ok {
		return known.(*structKeys)
	}
	keys := &structKeys{fields: make(map[string]reflect.StructField)}
	for f := range t.Fields() {
		name := keyName(f)
		keys.names = append(keys.names, name)
		keys.fields[name] = f
	}
	knownKeys.Store(t, keys)
	return keys
}

// keyName returns the key of a raw struct's field.
func keyName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}
