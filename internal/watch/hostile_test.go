package watch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// make makes an object and returns its name.
func (a *author) make(content string, args ...string) string {
	a.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = a.dir, strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		a.t.Fatalf("git %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// commitTree puts a commit of a tree on the branch.
func (a *author) commitTree(tree string) string {
	a.t.Helper()
	args := []string{"commit-tree", "-m", "tree", tree} // without the work tree, which could not hold it
	if head, err := exec.Command("git", "-C", a.dir, "rev-parse", "--verify", "main").Output(); err == nil {
		args = append(args, "-p", strings.TrimSpace(string(head)))
	}
	commit := a.git(args...)
	a.git("update-ref", "refs/heads/main", commit)
	return commit
}

// nested is a tree of ten million files in few objects: ten entries, each of which is the tree below.
func (a *author) nested() string {
	object, kind := a.make("x", "hash-object", "-w", "--stdin"), "100644 blob"
	for range 7 {
		var tree strings.Builder
		for i := range 10 {
			fmt.Fprintf(&tree, "%s %s\t%d\n", kind, object, i)
		}
		object, kind = a.make(tree.String(), "mktree"), "040000 tree"
	}
	return object
}

// What cannot be taken in fails once, and the next commit is built.
func TestACommitThatCannotBeTakenInFailsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		commit func(a *author)
		want   string
	}{
		"nested trees": {func(a *author) { a.commitTree(a.nested()) }, "more than 20000 files"},
		"nested empty trees": {func(a *author) {
			object := a.make("", "mktree")
			for range 40 {
				object = a.make("040000 tree "+object+"\ta\n040000 tree "+object+"\tb\n", "mktree")
			}
			a.commitTree(object)
		}, "more than 20000 files"},
		"a long subject": {func(a *author) {
			commit := a.make(strings.Repeat("x", 2<<20), "commit-tree", a.make("", "mktree"))
			a.git("update-ref", "refs/heads/main", commit)
		}, "the answer is too long"},
		"a long path": {func(a *author) {
			object, kind := a.make("x", "hash-object", "-w", "--stdin"), "100644 blob"
			for range 100 {
				object, kind = a.make(fmt.Sprintf("%s %s\t%s\n", kind, object, strings.Repeat("d", 250)), "mktree"), "040000 tree"
			}
			a.commitTree(object)
		}, "the answer is too long"},
		"large files": {func(a *author) {
			object := a.make(strings.Repeat("x", 30<<20), "hash-object", "-w", "--stdin")
			var tree strings.Builder
			for i := range 9 {
				fmt.Fprintf(&tree, "100644 blob %s\t%d\n", object, i)
			}
			a.commitTree(a.make(tree.String(), "mktree"))
		}, "more than 256 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, push := range []bool{true, false} {
				a, m := newAuthor(t), &maker{}
				config := newConfig(t, a.dir, m)
				var w *Watcher
				var url string
				if push {
					w, url = pushed(t, m)
				} else {
					w, _ = run(t, config)
				}
				next := func() {
					if !push {
						w.Look()
					} else if said := a.tryPush(url, "main", "--force"); said != "" {
						t.Fatal(said)
					}
				}
				c.commit(a)
				next()
				if b := expect(t, w, Failed)[0]; !strings.Contains(b.Error, c.want) {
					t.Errorf("%q does not say %q", b.Error, c.want)
				}
				next() // nothing new
				a.commitTree(a.make("100644 blob "+a.make("good", "hash-object", "-w", "--stdin")+"\tesper.toml\n", "mktree"))
				next()
				expect(t, w, Failed, Published)
			}
		})
	}
}

// Attributes would have git write other bytes than those that were counted, or run a program.
func TestACheckoutIsByteByByteWhatIsInTheCommit(t *testing.T) {
	a, m := newAuthor(t), &maker{}
	a.git("config", "filter.x.clean", "cat")
	if err := os.WriteFile(filepath.Join(a.dir, "esper.toml"), []byte("one\n$Id$\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	a.git("add", ".")
	if err := os.WriteFile(filepath.Join(a.dir, ".gitattributes"), []byte("esper.toml text eol=crlf ident working-tree-encoding=UTF-32 filter=x\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	a.git("add", ".gitattributes")
	a.git("commit", "--quiet", "-m", "one")
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\n\tautocrlf = true\n[filter \"x\"]\n\tsmudge = echo other\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	w, _ := run(t, newConfig(t, a.dir, m))
	expect(t, w, Published)
	if want := []string{"one\n$Id$\n"}; !slices.Equal(m.made, want) {
		t.Errorf("%q, not %q", m.made, want)
	}
}

// Those of these settings that git heeds would have it say something else, or start a program.
func TestTheUsersConfigurationChangesNoBuild(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(`
[log]
	showSignature = true
	mailmap = true
	showRoot = true
[core]
	hooksPath = `+home+`
	abbrev = 4
	logAllRefUpdates = false
[fetch]
	prune = true
	recurseSubmodules = true
	fsckObjects = true
[color]
	ui = always
[gpg]
	program = `+home+`/program
`), 0o666); err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\ntouch " + home + "/started\necho Good signature\n"
	for _, name := range []string{"program", "reference-transaction", "post-checkout", "pre-receive"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(program), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	a, m := newAuthor(t), &maker{}
	a.commit("one")
	head, message, _ := strings.Cut(a.git("cat-file", "commit", "HEAD"), "\n\n")
	commit := a.make(head+"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n"+message+"\n", "hash-object", "-t", "commit", "-w", "--stdin")
	a.git("update-ref", "refs/heads/main", commit)
	w, _ := run(t, newConfig(t, a.dir, m))
	if b := expect(t, w, Published)[0]; b.Hash != commit || b.Author != "Ada" || b.Subject != "one" {
		t.Errorf("%+v", b)
	}
	if _, err := os.Stat(filepath.Join(home, "started")); err == nil {
		t.Error("git started a program")
	}
}

func TestObjectsMayHaveLongNames(t *testing.T) {
	a, m := newAuthorOf(t, "sha256"), &maker{}
	first := a.commit("one")
	for _, branch := range []string{"", "main"} {
		config := newConfig(t, a.dir, m)
		config.Branch = branch
		w, _ := run(t, config)
		if b := expect(t, w, Published)[0]; b.Hash != first || len(first) != 64 {
			t.Errorf("%+v", b)
		}
		if b, err := w.Request(t.Context(), first); err != nil || b.Hash != first {
			t.Errorf("%+v, %v", b, err)
		}
	}

	config := newConfig(t, "", m)
	w, err := Open(t.Context(), config) // as before this was known
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	config.Format = "sha256"
	w, url := pushedTo(t, config)
	if said := a.tryPush(url, "main"); said != "" {
		t.Fatal(said)
	}
	expect(t, w, Published)
}

// Somebody one commit ahead merges what was pushed, and pushes: the first-parent line is theirs.
func TestAMergeGoesForward(t *testing.T) {
	for _, every := range []bool{false, true} {
		a, m := newAuthor(t), &maker{}
		a.commit("one")
		a.git("checkout", "--quiet", "-b", "work")
		a.git("commit", "--quiet", "--allow-empty", "-m", "beside")
		a.git("checkout", "--quiet", "main")
		for i := range 3 {
			a.commit(fmt.Sprint("main ", i))
		}
		config := newConfig(t, a.dir, m)
		config.Every = every
		w, _ := run(t, config)
		before := expect(t, w, Published)[0]
		a.git("checkout", "--quiet", "work")
		a.git("merge", "--quiet", "--no-ff", "--no-edit", "main")
		merge := a.git("rev-parse", "HEAD")
		a.git("update-ref", "refs/heads/main", merge)
		w.Look()
		after := expect(t, w, Published, Published)[1]
		if after.Hash != merge || before.Sequence != 4 || after.Sequence != 6 {
			t.Errorf("every %v: sequence %d, then %d: %+v", every, before.Sequence, after.Sequence, after)
		}
	}
}
