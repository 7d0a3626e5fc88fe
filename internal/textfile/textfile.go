// Package textfile reads text files that people have written with whatever editor they have.
package textfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// mark is U+FEFF in UTF-8, which some editors, on Windows most of all, put in front of a text
// (RFC 3629, section 6).
var mark = []byte("\xEF\xBB\xBF")

// Read returns the text of a file of at most max bytes, without a byte order mark.
func Read(path string, max int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > max {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, max)
	}
	return WithoutMark(text), nil
}

// WithoutMark returns a text without a byte order mark in front.
func WithoutMark(text []byte) []byte { return bytes.TrimPrefix(text, mark) }
