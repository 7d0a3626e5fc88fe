package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits on a commit that is checked out.
const (
	MaxBytes   = 256 << 20 // of its files
	MaxEntries = 20_000    // files and folders
)

// Kinds of entries, as git calls them.
const (
	link      = "120000"
	submodule = "160000"
	folder    = "040000"
)

// Entry is something in a commit.
type Entry struct {
	Path   string // from the root of the commit, with slashes
	Object string // the hash of its content
	mode   string
	size   int64 // in bytes, of files and links
}

// IsLink reports whether it is a symbolic link, whose content is where it leads to.
func (e Entry) IsLink() bool { return e.mode == link }

// IsFile reports whether it is a file.
func (e Entry) IsFile() bool { return strings.HasPrefix(e.mode, "100") }

// Tree hands over the files, links and submodules of a commit, until that returns an error.
func (r Repository) Tree(ctx context.Context, commit string, each func(Entry) error) error {
	return r.tree(ctx, commit, each)
}

func (r Repository) tree(ctx context.Context, commit string, each func(Entry) error, options ...string) error {
	args := append([]string{"ls-tree", "-r", "-z", "--full-tree"}, options...)
	return r.records(ctx, func(record string) error {
		about, name, found := strings.Cut(record, "\t")
		fields := strings.Fields(about) // mode, type, object, and perhaps size
		if !found || len(fields) < 3 {
			return fmt.Errorf("git ls-tree: unexpected answer %.200q", record)
		}
		e := Entry{Path: name, Object: fields[2], mode: fields[0]}
		if len(fields) > 3 {
			e.size, _ = strconv.ParseInt(fields[3], 10, 64) // "-" for what has none
		}
		return each(e)
	}, append(args, commit, "--")...)
}

// Checkout writes the files of a commit into an empty folder, byte by byte as they are in it: no
// attribute, filter, hook or setting counts. It refuses a commit with too much in it, and one with a
// symbolic link that leads out of the folder.
func (r Repository) Checkout(ctx context.Context, commit, dir string) error {
	entries, err := r.list(ctx, commit)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var names strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&names, e.Object)
	}
	links := map[string]string{} // made last, so that nothing is written through one
	err = r.stream(ctx, Environment(), r.settings(), strings.NewReader(names.String()), func(output io.Reader) error {
		contents := bufio.NewReader(output)
		for _, e := range entries {
			if err := e.write(root, contents, links); err != nil {
				return err
			}
		}
		return nil
	}, []string{"cat-file", "--batch"})
	for name, target := range links {
		err = errors.Join(err, root.Symlink(target, name))
	}
	if err != nil {
		return err
	}
	return checkLinks(dir)
}

// list returns the files and links of a commit, if there are not too many.
func (r Repository) list(ctx context.Context, commit string) ([]Entry, error) {
	var entries []Entry
	var count int
	var total int64
	err := r.tree(ctx, commit, func(e Entry) error {
		if count++; count > MaxEntries {
			return fmt.Errorf("the commit holds more than %d files and folders", MaxEntries)
		}
		if total += e.size; total > MaxBytes {
			return fmt.Errorf("the commit holds more than %d MB of files", MaxBytes>>20)
		}
		if e.mode == folder || e.mode == submodule {
			return nil
		}
		for name := range strings.SplitSeq(e.Path, "/") {
			if name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") {
				return fmt.Errorf("the commit holds a file with a path that cannot be: %.200q", e.Path)
			}
		}
		entries = append(entries, e)
		return nil
	}, "-t", "--long")
	return entries, err
}

// write reads the next answer of git cat-file --batch, and writes a file with it.
func (e Entry) write(root *os.Root, contents *bufio.Reader, links map[string]string) error {
	head, err := contents.ReadSlice('\n')
	if err != nil {
		return io.ErrUnexpectedEOF // git says why
	}
	if want := fmt.Sprintf("%s blob %d\n", e.Object, e.size); string(head) != want {
		return fmt.Errorf("git cat-file: unexpected answer %.200q for %q", head, e.Path)
	}
	content := io.LimitReader(contents, e.size)
	if e.IsLink() {
		target, err := io.ReadAll(content)
		links[e.Path] = string(target)
		return errors.Join(err, end(contents))
	}
	if err := root.MkdirAll(path.Dir(e.Path), 0o777); err != nil {
		return err
	}
	mode := fs.FileMode(0o666)
	if e.mode == "100755" {
		mode = 0o777
	}
	f, err := root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, content)
	if err == nil && n < e.size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, f.Close(), end(contents))
}

// end reads the line's end behind a content.
func end(contents *bufio.Reader) error {
	if c, err := contents.ReadByte(); err != nil || c != '\n' {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// checkLinks refuses symbolic links that lead out of the folder: the compiler would follow
// them.
func checkLinks(dir string) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink == 0 {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			return fmt.Errorf("the commit holds a symbolic link that leads nowhere: %s", name)
		}
		if target != root && !strings.HasPrefix(target, root+string(filepath.Separator)) {
			return fmt.Errorf("the commit holds a symbolic link that leads out of it: %s", name)
		}
		return nil
	})
}
