package connect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/voipbl/voipbl/asterisk"
)

// Folder is Asterisk's.
const Folder = asterisk.Folder

// folderMode is that of a folder in which Asterisk's user finds a file.
const folderMode = 0o755

// maxFile bounds what is read of a file: Asterisk's samples have some 10 KB.
const maxFile = 1 << 20

// Files are the files that may change, by name below the folder; nil is one that is not there. If the
// folder of [ownFile] is not there, [ownFolder] is among them.
type Files map[string]*text

// text is a file as it was read.
type text struct {
	content string
	rights
	bad error // why root neither reads nor writes it
}

func (t *text) string() string {
	if t == nil {
		return ""
	}
	return t.content
}

// unusable returns why root neither reads nor writes a file, or does not know what in it is voipbl's; nil
// if it may write it.
func (t *text) unusable() error {
	if t == nil {
		return nil
	}
	return t.bad
}

// damaged reports whether an admin must mend a file before voipbl writes it: its lines cannot be told
// from those of others, or would belong to a comment.
func (t *text) damaged() bool {
	bad := t.unusable()
	return errors.Is(bad, errBlock) || errors.As(bad, new(*openError))
}

// checked returns a file as it is, or as one that cannot be used: voipbl's lines in it are not marked by
// their first and last one, or it is to get lines and they would belong to a comment.
func (t *text) checked(gets bool) *text {
	if t.unusable() != nil {
		return t
	}
	rest, err := withoutBlock(t.string())
	if err == nil && gets {
		if line := asterisk.OutlineOf(rest).Comment; line > 0 {
			err = &openError{line}
		}
	}
	if err != nil {
		return &text{bad: err}
	}
	return t
}

// rest is a file without voipbl's lines.
func (t *text) rest() string {
	rest, err := withoutBlock(t.string())
	if err != nil { // it is not checked
		return t.string()
	}
	return rest
}

// Read reads the files in Asterisk's folder. One that cannot be used keeps none of the others from that.
func Read(folder string) (Files, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f := Files{}
	for _, name := range []string{hepFile, managerFile, customFile, ownFile} {
		f[name], err = read(root, name)
		if err != nil {
			f[name] = &text{bad: err}
		}
	}
	if _, err := root.Lstat(ownFolder); errors.Is(err, fs.ErrNotExist) {
		f[ownFolder] = &text{}
	}
	return f, nil
}

var errNotPlain = errors.New("it is a link, or no ordinary file, and root follows no link of Asterisk's user")

// read returns nil for a file that is not there.
func read(root *os.Root, name string) (*text, error) {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, errNotPlain
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, syscall.ELOOP):
		return nil, errNotPlain
	case err != nil:
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	sys := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || sys.Nlink != 1 {
		return nil, errNotPlain
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return &text{content: string(content), rights: rights{int(sys.Uid), int(sys.Gid), info.Mode().Perm()}}, err
}

// Apply writes the files, each in one step: a new one beside it takes its name. If one cannot be
// written, those before it stay written; a second run goes on. What a run has left that was killed is
// removed.
func (p Plan) Apply(folder string) error {
	root, err := os.OpenRoot(folder)
	if len(p.Files) == 0 && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	sweep(root)
	for _, c := range p.Files {
		if err := c.apply(root); err != nil {
			return fmt.Errorf("%s: %w", path.Join(folder, c.File), err)
		}
	}
	return nil
}

// beside is at the end of the name that a file or folder has while it is made or removed.
const beside = ".voipbl-new"

// sweep removes what lies beside the files. What cannot be removed is in the way only of the file that is
// written by that name, which then says so.
func sweep(root *os.Root) {
	for _, name := range append([]string{hepFile}, managerFiles...) {
		_ = root.Remove(name + beside)
	}
	_ = removeFolder(root)
}

// isAbsent reports whether a file is not there, or its folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func (c Change) apply(root *os.Root) error {
	now, err := read(root, c.File)
	if err != nil {
		return err
	}
	if (now == nil) != (c.old == nil) || now.string() != c.old.string() {
		return errors.New("somebody has changed it meanwhile: run the command again")
	}
	switch {
	case c.Remove && c.folder && aloneInFolder(root):
		if err := root.Rename(ownFolder, ownFolder+beside); err != nil {
			return err
		}
		return removeFolder(root)
	case c.Remove:
		return root.Remove(c.File)
	case c.folder:
		if _, err := root.Lstat(ownFolder); isAbsent(err) {
			return c.makeFolder(root)
		}
	}
	return c.write(root, c.File)
}

// makeFolder makes the folder of voipbl's file with that in it, in one step: a folder without it would
// be taken for somebody else's by the next run.
func (c Change) makeFolder(root *os.Root) error {
	const folder = ownFolder + beside
	err := root.Mkdir(folder, folderMode)
	if err == nil {
		err = root.Chmod(folder, folderMode) // whatever the umask is
	}
	if err == nil {
		err = c.write(root, path.Join(folder, path.Base(c.File)))
	}
	if err == nil {
		err = root.Rename(folder, ownFolder)
	}
	if err != nil {
		return errors.Join(err, removeFolder(root))
	}
	return nil
}

// aloneInFolder reports whether voipbl's file is alone in its folder.
func aloneInFolder(root *os.Root) bool {
	all, err := fs.ReadDir(root.FS(), ownFolder)
	return err == nil && len(all) == 1
}

// removeFolder removes the folder that was to be made, or that was to be removed. If somebody has put
// something into it at the last moment, it gets its name back.
func removeFolder(root *os.Root) error {
	const folder = ownFolder + beside
	for _, name := range []string{ownFile, ownFile + beside} {
		if err := root.Remove(path.Join(folder, path.Base(name))); err != nil && !isAbsent(err) {
			return err
		}
	}
	err := root.Remove(folder)
	if errors.Is(err, syscall.ENOTEMPTY) {
		return root.Rename(folder, ownFolder)
	}
	if isAbsent(err) {
		return nil
	}
	return err
}

// write writes the new text.
func (c Change) write(root *os.Root, name string) error {
	file, err := root.OpenFile(name+beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(c.text)
	err = errors.Join(err, file.Chown(c.uid, c.gid), file.Chmod(c.mode), file.Sync(), file.Close())
	if err == nil {
		err = root.Rename(name+beside, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(name+beside))
	}
	return nil
}
