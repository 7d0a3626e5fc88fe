package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"esper/internal/git"
	"esper/internal/site"
)

// Limits on what is followed.
const (
	maxPush   = 64 << 20 // bytes in a push
	maxQueued = 1000     // commits that are queued at a time
)

// mirror is the build server's own bare git repository. It is fetched into or pushed to;
// commits are built out of it and nothing else.
type mirror struct {
	git.Repository
}

// Commit is what is known of a commit.
type Commit struct {
	Hash     string `json:"commit"`
	Author   string `json:"author"`
	Subject  string `json:"subject"` // first line of its message
	Sequence uint32 `json:"sequence"`
}

// version is what a build of the commit is called (SPEC 8).
func (c Commit) version() site.Version { return site.Version{Name: c.Hash[:8], Sequence: c.Sequence} }

// openMirror makes the repository if need be, with objects of a format, sha1 or sha256; empty:
// that which it has, or sha1. One without any branch gets the format, too.
func openMirror(ctx context.Context, dir, format string) (*mirror, error) {
	r := &mirror{git.Repository{Dir: dir, Bare: true}}
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil && format != "" {
		if has, err := r.Format(ctx); err != nil {
			return nil, err
		} else if has != format {
			if branches, err := r.branches(ctx); err != nil {
				return nil, err
			} else if len(branches) > 0 {
				return nil, fmt.Errorf("%s has objects named by %s, and the site's repository by %s: move it away", dir, has, format)
			}
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// No template: so there are no hooks. To do it again changes nothing.
	init := []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=main"}
	if format != "" {
		init = append(init, "--object-format="+format)
	}
	if _, err := r.Run(ctx, init...); err != nil {
		return nil, err
	}
	for _, setting := range slices.Concat(git.Settings, [][2]string{
		{"receive.maxInputSize", strconv.Itoa(maxPush)},
		{"receive.fsckObjects", "true"},
		{"receive.unpackLimit", "1"}, // a pack stays as small as it came
		{"receive.autogc", "false"},  // it would go on after the push; see tidy
		{"core.logAllRefUpdates", "true"},
	}) {
		if _, err := r.Run(ctx, "config", setting[0], setting[1]); err != nil {
			return nil, err
		}
	}
	return r, r.unlock()
}

// tidy packs what has come in small pieces, if it has become much.
func (r *mirror) tidy(ctx context.Context) error {
	_, err := r.Run(ctx, "-c", "gc.auto=2000", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
	return err
}

// unlock removes the locks of a git that was killed. Nobody else is at work: the caller has
// the lock of the builds.
func (r *mirror) unlock() error {
	return filepath.WalkDir(r.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".lock") {
			err = os.Remove(path)
		}
		return err
	})
}

// fetch makes the branch what it is at the source. Without a branch it is the one that the
// source's HEAD names when the source is first fetched. It returns the branch.
func (r *mirror) fetch(ctx context.Context, source, branch string) (string, error) {
	branch, err := r.fetchFrom(ctx, source, branch)
	var g *git.Error
	if u, parse := url.Parse(source); errors.As(err, &g) && parse == nil && u.User != nil {
		if password, has := u.User.Password(); has {
			g.Message = strings.ReplaceAll(g.Message, password, "xxxxx")
		}
	}
	return branch, err
}

func (r *mirror) fetchFrom(ctx context.Context, source, branch string) (string, error) {
	if branch == "" {
		followed, err := r.Run(ctx, "config", "--default", "", "--get", "esper.followed")
		if err != nil {
			return "", err
		}
		branch = followed
	}
	known, err := r.branches(ctx)
	if err != nil {
		return "", err
	}
	if len(known) == 0 {
		head, format, err := r.ask(ctx, source, branch)
		if err != nil {
			return "", err
		}
		if _, err := openMirror(ctx, r.Dir, format); err != nil {
			return "", err
		}
		if branch == "" {
			branch = head
			if _, err := r.Run(ctx, "config", "esper.followed", branch); err != nil {
				return "", err
			}
		}
	}
	ref := "refs/heads/" + branch
	_, err = r.RunAsUser(ctx, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", source, "+"+ref+":"+ref)
	return branch, err
}

// ask asks a source which branch its HEAD names and how it names its objects, if it has the branch or
// a HEAD. Without a branch it is an error if there is none.
func (r *mirror) ask(ctx context.Context, source, branch string) (head, format string, err error) {
	answer, err := r.RunAsUser(ctx, "ls-remote", "--symref", "--", source, "HEAD", "refs/heads/"+branch)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(answer) {
		object, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if to, is := strings.CutPrefix(object, "ref: refs/heads/"); is && name == "HEAD" {
			head = to
		}
		if git.IsHash(object) {
			format = map[int]string{40: "sha1", 64: "sha256"}[len(object)]
		}
	}
	if branch != "" {
		return "", format, nil
	}
	if head == "" {
		return "", "", errors.New("the repository has no branch yet")
	}
	_, err = r.Run(ctx, "check-ref-format", "refs/heads/"+head)
	return head, format, err
}

// head returns the hash of a branch's commit, empty if there is no such branch.
func (r *mirror) head(ctx context.Context, branch string) (string, error) {
	hash, err := r.Run(ctx, "for-each-ref", "--format=%(objectname)", "refs/heads/"+branch)
	if err == nil && hash != "" && !git.IsHash(hash) { // a folder of branches
		hash = ""
	}
	return hash, err
}

// branches lists the branches.
func (r *mirror) branches(ctx context.Context) ([]string, error) {
	list, err := r.Run(ctx, "for-each-ref", "--format=%(refname:short)", "refs/heads")
	return strings.Fields(list), err
}

// holds says whether a commit is there and in the history of another.
func (r *mirror) holds(ctx context.Context, commit, of string) bool {
	_, err := r.Run(ctx, "merge-base", "--is-ancestor", commit, of)
	return err == nil
}

// between lists the commits on the first-parent line of one commit that have another in their
// history, the oldest first, at most maxQueued, the newest of them. What a merge brings in from
// beside is not among them: it lacks what was built already.
func (r *mirror) between(ctx context.Context, after, upTo string) ([]string, error) {
	line, err := r.Run(ctx, "rev-list", "--first-parent", fmt.Sprintf("--max-count=%d", maxQueued), after+".."+upTo)
	if err != nil {
		return nil, err
	}
	var commits []string
	for hash := range strings.FieldsSeq(line) {
		if !r.holds(ctx, after, hash) {
			break
		}
		commits = append(commits, hash)
	}
	slices.Reverse(commits)
	return commits, nil
}

// commit tells about a commit.
func (r *mirror) commit(ctx context.Context, name string) (Commit, error) {
	hash, err := r.Commit(ctx, name)
	if err != nil {
		return Commit{}, err
	}
	c := Commit{Hash: hash}
	if c.Sequence, err = r.Count(ctx, hash); err != nil {
		return Commit{}, err
	}
	author, subject, err := r.Author(ctx, hash)
	c.Author, c.Subject = oneLine(author), oneLine(subject)
	return c, err
}

// oneLine cuts a text from outside to what a table can show.
func oneLine(text string) string {
	text = printable(strings.ReplaceAll(text, "\t", " "), "")
	if runes := []rune(text); len(runes) > 120 {
		text = string(runes[:117]) + "..."
	}
	return text
}
