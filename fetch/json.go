package fetch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// maxJSON is the largest file of a small value in bytes, for writing and reading.
const maxJSON = 8 << 20

// ReadJSON reads into v a value that [Store.WriteJSON] has written under the name. The
// error wraps [fs.ErrNotExist] if there is none, and is a [*DamagedError] if the file
// is not JSON that fits v.
func (s *Store) ReadJSON(name string, v any) error { return s.readJSON(name, jsonSuffix, v) }

// WriteJSON writes a small value of the caller's, in one step and synced to disk. Names
// are formed like those of feeds but do not collide with them. Its JSON may have 8 MiB.
func (s *Store) WriteJSON(name string, v any) error { return s.writeJSON(name, jsonSuffix, v) }

// feedOf returns the feed that a file of this name and suffix belongs to, or "".
func feedOf(name, suffix string) string {
	if suffix == jsonSuffix {
		return ""
	}
	return name
}

func (s *Store) readJSON(name, suffix string, v any) error {
	if err := checkName(name); err != nil {
		return err
	}
	file, info, err := s.openFile(name + suffix)
	if err != nil {
		return ofFeed(feedOf(name, suffix), err)
	}
	defer file.Close()
	var data bytes.Buffer
	data.Grow(int(min(info.Size(), maxJSON)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(file, maxJSON+1)); err != nil {
		return ofFeed(feedOf(name, suffix), readError(file.Name(), err))
	}
	if data.Len() > maxJSON {
		return &DamagedError{Path: file.Name(), Why: fmt.Sprintf("it has more than %d bytes", maxJSON)}
	}
	if err := json.Unmarshal(data.Bytes(), v); err != nil {
		return &DamagedError{Path: file.Name(), Why: err.Error()}
	}
	return nil
}

func (s *Store) writeJSON(name, suffix string, v any) error {
	if err := checkName(name); err != nil {
		return err
	}
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return storageError(feedOf(name, suffix), s.path(name+suffix), err)
	}
	err := error(nil)
	if doc.Len() > maxJSON {
		err = storageError(feedOf(name, suffix), s.path(name+suffix), fmt.Errorf("%d bytes, more than %d", doc.Len(), maxJSON))
	} else if err = s.writeFile(name+suffix, doc.Bytes()); err != nil {
		err = storageError(feedOf(name, suffix), s.path(name+suffix), err)
	}
	return s.wrote(name+suffix, err)
}

func (s *Store) writeFile(file string, data []byte) error {
	temp, err := s.create(file)
	if err != nil {
		return err
	}
	defer temp.Cleanup() // does nothing after a rename
	if _, err := temp.Write(data); err != nil {
		return err
	}
	return s.replace(temp, file)
}
