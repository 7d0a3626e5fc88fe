package emulator

import (
	"bytes"
	"io"
)

// lines collects bytes and writes them on in whole lines.
type lines struct {
	out io.Writer
	buf []byte
}

// maxLine is the longest line that is waited for, in bytes.
const maxLine = 512

func (l *lines) Write(b []byte) (int, error) {
	l.buf = append(l.buf, b...)
	if end := bytes.LastIndexByte(l.buf, '\n') + 1; end > 0 {
		l.write(end)
	} else if len(l.buf) > maxLine {
		l.write(len(l.buf))
	}
	return len(b), nil
}

func (l *lines) write(n int) {
	_, _ = l.out.Write(l.buf[:n])
	l.buf = append(l.buf[:0], l.buf[n:]...)
}
