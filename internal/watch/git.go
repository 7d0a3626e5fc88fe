package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"esper/internal/site"
)

// Limits on what is followed.
const (
	gitTimeout   = 5 * time.Minute // for a fetch
	maxCheckout  = 256 << 20       // bytes of files in a commit
	maxFiles     = 20_000          // in a commit
	maxPush      = 64 << 20        // bytes in a push
	maxQueued    = 1000            // commits that are queued at a time
	maxGitOutput = 64 << 20        // bytes of a command's answer
)

// mirror is the build server's own bare git repository. It is fetched into or pushed to;
// commits are built out of it and nothing else.
type mirror struct {
	dir string // absolute
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

// openMirror makes the repository if need be.
func openMirror(ctx context.Context, dir string) (*mirror, error) {
	r := &mirror{dir}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, site.ErrNoGit
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// No template: so there are no hooks. To do it again changes nothing.
	if _, err := r.git(ctx, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main"); err != nil {
		return nil, err
	}
	for _, setting := range [][2]string{
		{"receive.maxInputSize", strconv.Itoa(maxPush)},
		{"receive.fsckObjects", "true"},
		{"receive.autogc", "false"}, // it would go on after the push; see tidy
		{"gc.auto", "0"},
		{"core.logAllRefUpdates", "true"},
	} {
		if _, err := r.git(ctx, nil, "config", setting[0], setting[1]); err != nil {
			return nil, err
		}
	}
	return r, r.unlock()
}

// tidy packs what has come in small pieces, if it has become much.
func (r *mirror) tidy(ctx context.Context) error {
	_, err := r.git(ctx, nil, "-c", "gc.auto=2000", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
	return err
}

// unlock removes the locks of a git that was killed. Nobody else is at work: the caller has
// the lock of the builds.
func (r *mirror) unlock() error {
	return filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".lock") {
			err = os.Remove(path)
		}
		return err
	})
}

// gitError is what git said when it failed.
type gitError struct {
	command, message string
	err              error
}

func (e *gitError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("git %s: %v", e.command, e.err)
	}
	return fmt.Sprintf("git %s: %s", e.command, e.message)
}
func (e *gitError) Unwrap() error { return e.err }

// git runs a git command in the repository and returns its output. It asks nobody for a
// password, and needs none of what the environment may hold for ESPer.
func (r *mirror) git(ctx context.Context, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	var out, message bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + r.dir}, args...)...)
	cmd.Dir = r.dir
	cmd.Stdout, cmd.Stderr = &out, &message
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "ESPER_") ||
			slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}, name)
	}), append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh")...)
	if os.Getenv("GIT_SSH_COMMAND") == "" {
		cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND=ssh -oBatchMode=yes")
	}
	// git has children of its own, which end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", &gitError{args[0], lastLines(message.String()), err}
	}
	return strings.TrimSpace(out.String()), nil
}

// lastLines is the end of what git said, as one line, without what it says of every remote
// repository that it cannot read.
func lastLines(said string) string {
	said = strings.TrimSpace(said)
	lines := strings.Split(strings.TrimSpace(strings.TrimSuffix(said, `fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.`)), "\n")
	lines = lines[max(0, len(lines)-3):]
	return strings.Join(lines, "; ")
}

// fetch makes the branch what it is at the source. Without a branch it is the one that the
// source's HEAD names when the source is first fetched. It returns the branch.
func (r *mirror) fetch(ctx context.Context, source, branch string) (string, error) {
	fail := func(err error) (string, error) {
		var g *gitError
		if u, parse := url.Parse(source); errors.As(err, &g) && parse == nil && u.User != nil {
			if password, has := u.User.Password(); has {
				g.message = strings.ReplaceAll(g.message, password, "xxxxx")
			}
		}
		return "", err
	}
	if branch == "" {
		known, err := r.git(ctx, nil, "config", "--default", "", "--get", "esper.followed")
		if err != nil {
			return fail(err)
		}
		branch = known
	}
	if branch == "" {
		answer, err := r.git(ctx, nil, "ls-remote", "--symref", "--", source, "HEAD")
		if err != nil {
			return fail(err)
		}
		_, name, _ := strings.Cut(answer, "ref: refs/heads/")
		if branch, _, _ = strings.Cut(name, "\t"); branch == "" {
			return "", errors.New("the repository has no branch yet")
		}
		if _, err := r.git(ctx, nil, "config", "esper.followed", branch); err != nil {
			return fail(err)
		}
	}
	ref := "refs/heads/" + branch
	_, err := r.git(ctx, nil, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", source, "+"+ref+":"+ref)
	if err != nil {
		return fail(err)
	}
	return branch, nil
}

// head returns the hash of a branch's commit, empty if there is no such branch.
func (r *mirror) head(ctx context.Context, branch string) (string, error) {
	hash, err := r.git(ctx, nil, "for-each-ref", "--format=%(objectname)", "refs/heads/"+branch)
	if err == nil && hash != "" && !isHash(hash) { // a folder of branches
		hash = ""
	}
	return hash, err
}

// branches lists the branches.
func (r *mirror) branches(ctx context.Context) ([]string, error) {
	list, err := r.git(ctx, nil, "for-each-ref", "--format=%(refname:short)", "refs/heads")
	return strings.Fields(list), err
}

// isHash says whether text is a commit's whole name.
func isHash(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

// holds says whether a commit is there and in the history of another.
func (r *mirror) holds(ctx context.Context, commit, of string) bool {
	_, err := r.git(ctx, nil, "merge-base", "--is-ancestor", commit, of)
	return err == nil
}

// between lists the commits on the first-parent line behind one commit up to another, the
// oldest first, at most maxQueued, the newest of them.
func (r *mirror) between(ctx context.Context, after, upTo string) ([]string, error) {
	list, err := r.git(ctx, nil, "rev-list", "--first-parent", "--reverse", fmt.Sprintf("--max-count=%d", maxQueued), after+".."+upTo)
	return strings.Fields(list), err
}

// commit tells about a commit.
func (r *mirror) commit(ctx context.Context, hash string) (Commit, error) {
	if shallow, err := r.git(ctx, nil, "rev-parse", "--is-shallow-repository"); err != nil || shallow == "true" {
		return Commit{}, errors.Join(err, site.ErrShallow)
	}
	text, err := r.git(ctx, nil, "show", "--no-patch", "--format=%H%x00%an%x00%s", hash+"^{commit}", "--")
	if err != nil {
		return Commit{}, err
	}
	fields := strings.SplitN(text, "\x00", 3)
	if len(fields) != 3 || !isHash(fields[0]) {
		return Commit{}, fmt.Errorf("git show: unexpected answer %q", text)
	}
	count, err := r.git(ctx, nil, "rev-list", "--first-parent", "--count", fields[0])
	if err != nil {
		return Commit{}, err
	}
	sequence, err := strconv.ParseUint(count, 10, 32)
	if err != nil {
		return Commit{}, fmt.Errorf("git rev-list: unexpected answer %q", count)
	}
	return Commit{fields[0], oneLine(fields[1]), oneLine(fields[2]), uint32(sequence)}, nil
}

// oneLine cuts a text from outside to what a table can show.
func oneLine(text string) string {
	text = printable(strings.ReplaceAll(text, "\t", " "), "")
	if runes := []rune(text); len(runes) > 120 {
		text = string(runes[:117]) + "..."
	}
	return text
}

// checkout writes the files of a commit into an empty folder, and nothing else: neither
// settings of this machine nor hooks count.
func (r *mirror) checkout(ctx context.Context, commit, dir string) error {
	if err := r.checkSize(ctx, commit); err != nil {
		return err
	}
	index := filepath.Join(r.dir, "index-of-checkout")
	defer os.Remove(index)
	_, err := r.git(ctx, []string{"GIT_INDEX_FILE=" + index, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull},
		"--work-tree="+dir, "-c", "core.autocrlf=false", "-c", "core.hooksPath="+os.DevNull, "read-tree", "--reset", "-u", commit)
	if err != nil {
		return err
	}
	return checkLinks(dir)
}

// checkSize refuses a commit with more than a site can need.
func (r *mirror) checkSize(ctx context.Context, commit string) error {
	list, err := r.git(ctx, nil, "ls-tree", "-r", "--format=%(objectsize)", commit)
	if err != nil {
		return err
	}
	sizes := strings.Fields(list)
	total := 0
	for _, size := range sizes {
		n, _ := strconv.Atoi(size) // "-" for a submodule, which stays empty
		total += n
	}
	if len(sizes) > maxFiles || total > maxCheckout {
		return fmt.Errorf("the commit holds %d files with %d bytes; at most %d with %d are built", len(sizes), total, maxFiles, maxCheckout)
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
