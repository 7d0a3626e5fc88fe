package watch

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Limits on a log, in bytes.
const (
	maxLog  = 4 << 20
	maxLine = 16 << 10 // less than is read at a time
)

// Log is the log of a build: a file of whole lines that others read while it grows. Known
// secrets do not get into it; that is a second line of defence, since nothing should say them.
// Nor does what a terminal obeys: compilers quote sources, and devices say what they like.
type Log struct {
	mu      sync.Mutex
	file    *os.File
	line    []byte // that is not ended yet
	size    int64
	secrets []string
	dir     string // where the commit is checked out: paths are told as its author knows them
}

// openLog opens a log to go on with.
func openLog(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Log{file: f, size: info.Size()}, nil
}

// minSecret is the least length of a secret that is looked for: a shorter one would be found
// everywhere. A WiFi password has eight characters.
const minSecret = 6

// Hide keeps secrets out of what is written from now on.
func (l *Log) Hide(secrets ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range secrets {
		for line := range strings.Lines(s) { // the log is written by lines
			if line = strings.TrimSpace(line); len(line) >= minSecret {
				l.secrets = append(l.secrets, line)
			}
		}
	}
	// One may hold another.
	slices.SortFunc(l.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// Clean returns a text as it may be shown: without the secrets.
func (l *Log) Clean(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clean(text)
}

func (l *Log) clean(text string) string {
	for _, s := range l.secrets {
		text = strings.ReplaceAll(text, s, "(secret)")
	}
	if l.dir != "" {
		text = strings.ReplaceAll(text, l.dir+string(os.PathSeparator), "")
	}
	return printable(text, "\n\t")
}

// printable replaces what a terminal would obey or not show, but not those characters.
func printable(text, but string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || strings.ContainsRune(but, r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Write adds text. What is too much is left out; that is no error.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(l.line, p...)
	for {
		end := bytes.IndexByte(l.line, '\n') + 1
		if end == 0 && len(l.line) < maxLine {
			return len(p), nil
		}
		if end == 0 || end > maxLine {
			end = maxLine
		}
		if err := l.put(string(l.line[:end])); err != nil {
			return 0, err
		}
		l.line = l.line[end:]
	}
}

// put writes a line.
func (l *Log) put(line string) error {
	line = l.clean(strings.TrimRight(line, "\r\n")) + "\n"
	if l.size > maxLog {
		return nil
	}
	if l.size += int64(len(line)); l.size > maxLog {
		line = "the rest is left out\n"
	}
	_, err := l.file.WriteString(line)
	return err
}

// Close ends the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if len(l.line) > 0 {
		err = l.put(string(l.line))
	}
	return errors.Join(err, l.file.Sync(), l.file.Close())
}
