package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/google/renameio/v2"
	"github.com/pelletier/go-toml/v2"

	"esper/internal/textfile"
)

// Limits.
const (
	MaxValue = 4096    // bytes of a secret
	maxFile  = 1 << 20 // bytes
	maxNames = 256
)

// The reasons why a secret cannot be had. Errors wrap one of them.
var (
	// ErrNone says that there is no secret of that name.
	ErrNone = errors.New("no such secret")
	// ErrNoIdentity says that there is no age key to read secrets with.
	ErrNoIdentity = errors.New("no age key to read it with")
	// ErrOtherRecipients says that a secret is encrypted for other age keys.
	ErrOtherRecipients = errors.New("encrypted for other age keys than this one")
	// ErrDamaged says that what is encrypted is not what 'esper secrets' wrote.
	ErrDamaged = errors.New("damaged: not what was encrypted")
)

// File is the file of encrypted secrets. Their names can be read by everybody, so that
// a change shows in git as what it is, and so that a secret can be set without reading
// any.
type File struct {
	sealed map[string]string // armored, by name
}

// heading is the file's first line.
const heading = "# Encrypted with age. 'esper secrets' reads and writes this file.\n"

// Load reads a file of secrets; one that is missing has none.
func Load(path string) (*File, error) {
	text, err := textfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// Parse reads the text of a file of secrets. It does not decrypt.
func Parse(text []byte) (*File, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	sealed, err := readTexts(text)
	return &File{sealed}, err
}

// Names returns the names of the secrets, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.sealed)) }

// Has tells whether there is a secret of that name.
func (f *File) Has(name string) bool { return f.sealed[name] != "" }

// Set encrypts a secret for recipients, at least one.
func (f *File) Set(name string, v Value, recipients []age.Recipient) error {
	if len(v) > MaxValue {
		return fmt.Errorf("%s: %d bytes, but a secret may have %d", name, len(v), MaxValue)
	}
	if !f.Has(name) && len(f.sealed) >= maxNames {
		return fmt.Errorf("%s: the file has %d secrets already", name, maxNames)
	}
	var b bytes.Buffer
	armored := armor.NewWriter(&b)
	w, err := age.Encrypt(armored, recipients...)
	if err != nil {
		return err
	}
	// The name is encrypted with it: who can write the file, but not read it, cannot
	// pass one secret off as another.
	_, err = io.WriteString(w, name+"\n"+v.Reveal())
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return err
	}
	if f.sealed == nil {
		f.sealed = map[string]string{}
	}
	f.sealed[name] = b.String()
	return nil
}

// Get decrypts a secret.
func (f *File) Get(name string, identities []age.Identity) (Value, error) {
	if !f.Has(name) {
		return "", fmt.Errorf("%s: %w", name, ErrNone)
	}
	if len(identities) == 0 {
		return "", fmt.Errorf("%s: %w", name, ErrNoIdentity)
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(f.sealed[name])), identities...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return "", fmt.Errorf("%s: %w", name, ErrOtherRecipients)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(len(name)+1+MaxValue+1)))
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	inside, value, _ := strings.Cut(string(text), "\n")
	if inside != name || len(value) > MaxValue {
		return "", fmt.Errorf("%s: %w under this name", name, ErrDamaged)
	}
	return Value(value), nil
}

// Remove removes a secret.
func (f *File) Remove(name string) { delete(f.sealed, name) }

// Marshal returns the file's text.
func (f *File) Marshal() []byte {
	return append([]byte(heading), writeTexts(f.sealed)...)
}

// Write writes the file, whole or not at all.
func (f *File) Write(path string) error {
	return renameio.WriteFile(path, f.Marshal(), 0o644)
}

// readTexts reads TOML that has texts only. Names may be quoted or dotted. No error
// quotes anything but names.
func readTexts(text []byte) (map[string]string, error) {
	var tree map[string]any
	if err := toml.Unmarshal(textfile.WithoutMark(text), &tree); err != nil {
		var malformed *toml.DecodeError
		if errors.As(err, &malformed) {
			line, column := malformed.Position()
			return nil, fmt.Errorf("line %d, column %d: this is not TOML", line, column)
		}
		return nil, errors.New("this is not TOML")
	}
	texts := map[string]string{}
	var flatten func(prefix string, tree map[string]any) error
	flatten = func(prefix string, tree map[string]any) error {
		for name, value := range tree {
			name = prefix + name
			switch value := value.(type) {
			case map[string]any:
				if err := flatten(name+".", value); err != nil {
					return err
				}
			case string:
				if _, twice := texts[name]; twice {
					return fmt.Errorf("%q is there twice", name)
				}
				if value == "" {
					return fmt.Errorf("%q is empty", name)
				}
				texts[name] = value
			default:
				return fmt.Errorf("%q is not a text in quotes", name)
			}
		}
		if len(texts) > maxNames {
			return fmt.Errorf("more than %d secrets", maxNames)
		}
		return nil
	}
	return texts, flatten("", tree)
}

// writeTexts writes TOML that readTexts reads, sorted by name.
func writeTexts(texts map[string]string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		plain := !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7F || c == 0xFFFD })
		if strings.Contains(text, "\n") && plain && !strings.Contains(text, "''") && !strings.HasSuffix(text, "'") {
			fmt.Fprintf(&b, "%s = '''\n%s'''\n", quote(name), text)
		} else {
			fmt.Fprintf(&b, "%s = %s\n", quote(name), quote(text))
		}
	}
	return b.Bytes()
}

// quote returns a TOML basic string.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7F:
			fmt.Fprintf(&b, "\\u%04X", c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Plain returns the texts of secrets as a person edits them.
func Plain(values map[string]Value) []byte {
	texts := map[string]string{}
	for name, value := range values {
		texts[name] = value.Reveal()
	}
	return writeTexts(texts)
}

// ParsePlain reads what Plain wrote and a person changed. No error quotes a secret.
func ParsePlain(text []byte) (map[string]Value, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	texts, err := readTexts(text)
	if err != nil {
		return nil, err
	}
	values := map[string]Value{}
	for name, text := range texts {
		values[name] = Value(text)
	}
	return values, nil
}
