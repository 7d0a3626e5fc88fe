package preflight

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"esper/internal/site"
)

// maxLog is how much of a device's serial line is kept, in bytes: the last of it.
const maxLog = 256 << 10

// serialLog keeps what a device sends on its serial line, with the time in front of
// each line.
type serialLog struct {
	now  func() time.Duration
	kept bytes.Buffer
	open bool // the line has not ended
	over bool // nothing that comes now is of interest
}

func (l *serialLog) Write(b []byte) (int, error) {
	if l.over {
		return len(b), nil
	}
	for line := range bytes.Lines(bytes.ReplaceAll(b, []byte("\r"), nil)) {
		if !l.open {
			fmt.Fprintf(&l.kept, "%9.3f ", l.now().Seconds())
		}
		l.kept.Write(line)
		l.open = line[len(line)-1] != '\n'
	}
	if over := l.kept.Len() - maxLog; over > maxLog/4 {
		l.kept.Next(over)
		_, _ = l.kept.ReadBytes('\n') // no half line, with half a secret in it
	}
	return len(b), nil
}

// end ends the log in front of the mask ROM's greeting after a reset.
func (l *serialLog) end() {
	l.over = true
	if i := bytes.LastIndex(l.kept.Bytes(), []byte(" ets Jan ")); i >= 0 {
		l.kept.Truncate(bytes.LastIndexByte(l.kept.Bytes()[:i], '\n') + 1)
	}
}

// minSecret is the length of the shortest text that is taken for a secret wherever it stands.
const minSecret = 4

// clean is a text of the device's without the site's secrets: a device type may print
// anything. What a terminal would take for a command is replaced, too.
func clean(text string, c site.Config) string {
	for _, secret := range c.RevealSecrets() {
		if len(secret) >= minSecret {
			text = strings.ReplaceAll(text, secret, site.Secret(secret).String())
		}
	}
	text = strings.ToValidUTF8(text, "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7F {
			return '?'
		}
		return r
	}, text)
}

// tail is the last lines of a log.
func tail(log string) string {
	lines := strings.Split(strings.TrimRight(log, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-lastLines):], "\n")
}

// writeLog writes a log, for nobody else to read: what a device type prints is its own affair.
func writeLog(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return renameio.WriteFile(path, []byte(text), 0o600)
}
