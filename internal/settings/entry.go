// Package settings holds the settings that lie in a device's flash and not in its image: entries,
// the records that they are stored in, and the sealed and signed releases that change them.
// docs/SPEC.md, section 12, defines the bytes.
package settings

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// MaxEntries is the largest size of the entries of a record or a release, in bytes.
const MaxEntries = 2048

// MaxName is the largest length of an entry's name.
const MaxName = 32

const entryHeader = 4 // bytes: type, length of the name, length of the value

// Type is the type of an entry's value.
type Type byte

// The types of values.
const (
	Texts  Type = 1 // one or more texts, each ended by a 0
	Number Type = 2 // 4 bytes, signed
	Bytes  Type = 3
)

// String returns the type's name, or its number if it has none.
func (t Type) String() string {
	switch t {
	case Texts:
		return "texts"
	case Number:
		return "number"
	case Bytes:
		return "bytes"
	}
	return fmt.Sprintf("type %d", byte(t))
}

// Entry is a named value, as it is stored. Without a value it removes its name ([Entries.Merge]).
type Entry struct {
	Name  string
	Type  Type
	Value []byte
}

// OfTexts returns an entry of one or more texts, none of which may have a 0 byte.
func OfTexts(name string, texts ...string) Entry {
	return Entry{name, Texts, []byte(strings.Join(texts, "\x00") + "\x00")}
}

// OfNumber returns an entry of a number.
func OfNumber(name string, n int32) Entry {
	return Entry{name, Number, binary.LittleEndian.AppendUint32(nil, uint32(n))}
}

// OfBytes returns an entry of bytes.
func OfBytes(name string, b []byte) Entry {
	return Entry{name, Bytes, b}
}

// Removal returns an entry that removes a name.
func Removal(name string) Entry {
	return Entry{name, Bytes, nil}
}

// Removes reports whether the entry removes its name.
func (e Entry) Removes() bool {
	return len(e.Value) == 0
}

// Texts returns the entry's texts; none if it has another type or no value.
func (e Entry) Texts() []string {
	if e.Type != Texts || e.Removes() {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(e.Value), "\x00"), "\x00")
}

// Number returns the entry's number; false if it has none.
func (e Entry) Number() (int32, bool) {
	if e.Type != Number || len(e.Value) != 4 {
		return 0, false
	}
	return int32(binary.LittleEndian.Uint32(e.Value)), true
}

// Bytes returns the entry's bytes; nil if it has another type or no value.
func (e Entry) Bytes() []byte {
	if e.Type != Bytes || e.Removes() {
		return nil
	}
	return e.Value
}

// check returns an [ErrMalformed] if the entry breaks a rule.
func (e Entry) check() error {
	if e.Name == "" || len(e.Name) > MaxName {
		return malformed("a name of %d characters, not 1 to %d", len(e.Name), MaxName)
	}
	for _, c := range []byte(e.Name) {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '.' && c != '-' {
			return malformed("the name %q has characters other than a-z, 0-9 and _.-", e.Name)
		}
	}
	if e.Type < Texts || e.Type > Bytes {
		return malformed("%s has the unknown type %d", e.Name, byte(e.Type))
	}
	switch {
	case e.Removes():
	case e.Type == Number && len(e.Value) != 4:
		return malformed("%s is a number of %d bytes, not 4", e.Name, len(e.Value))
	case e.Type == Texts && e.Value[len(e.Value)-1] != 0:
		return malformed("the last text of %s has no end", e.Name)
	}
	return nil
}

// Entries are entries with names of which each occurs once. Their order has no meaning.
type Entries []Entry

// Find returns the entry of a name; false if there is none.
func (e Entries) Find(name string) (Entry, bool) {
	i := slices.IndexFunc(e, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return e[i], true
}

// Names returns the names of the entries, in order.
func (e Entries) Names() []string {
	names := make([]string, 0, len(e))
	for _, entry := range e {
		names = append(names, entry.Name)
	}
	return names
}

// Marshal returns the bytes of the entries. It returns an [ErrMalformed] if they break a rule.
func (e Entries) Marshal() ([]byte, error) {
	var b []byte
	seen := make(map[string]bool, len(e))
	for _, entry := range e {
		if err := entry.check(); err != nil {
			return nil, err
		}
		if seen[entry.Name] {
			return nil, malformed("%s occurs twice", entry.Name)
		}
		seen[entry.Name] = true
		if size := len(b) + entryHeader + len(entry.Name) + len(entry.Value); size > MaxEntries {
			return nil, malformed("the entries have %d bytes or more, but at most %d fit",
				size, MaxEntries)
		}
		b = append(b, byte(entry.Type), byte(len(entry.Name)))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(entry.Value)))
		b = append(b, entry.Name...)
		b = append(b, entry.Value...)
	}
	return b, nil
}

// Parse reads entries, which must fill b. Every error is an [ErrMalformed].
func Parse(b []byte) (Entries, error) {
	if len(b) > MaxEntries {
		return nil, malformed("the entries have %d bytes, but at most %d fit", len(b), MaxEntries)
	}
	var entries Entries
	seen := map[string]bool{}
	for len(b) > 0 {
		if len(b) < entryHeader {
			return nil, malformed("%d bytes where an entry should begin", len(b))
		}
		name, value := int(b[1]), int(binary.LittleEndian.Uint16(b[2:]))
		kind := Type(b[0])
		b = b[entryHeader:]
		if len(b) < name+value {
			return nil, malformed("an entry of %d bytes, of which %d are there", name+value, len(b))
		}
		entry := Entry{string(b[:name]), kind, bytes.Clone(b[name:][:value])}
		if err := entry.check(); err != nil {
			return nil, err
		}
		if seen[entry.Name] {
			return nil, malformed("%s occurs twice", entry.Name)
		}
		seen[entry.Name] = true
		entries, b = append(entries, entry), b[name+value:]
	}
	return entries, nil
}

// Merge returns the entries with those of changes in place of the ones that have the same name. If
// one of the changes is of a WiFi network, all networks are replaced. The result has no entry
// without a value.
func (e Entries) Merge(changes Entries) Entries {
	networks := slices.ContainsFunc(changes, Entry.isNetwork)
	var merged Entries
	for _, entry := range e {
		_, replaced := changes.Find(entry.Name)
		if !replaced && !(networks && entry.isNetwork()) {
			merged = append(merged, entry)
		}
	}
	merged = append(merged, changes...)
	return slices.DeleteFunc(merged, Entry.Removes)
}

// isNetwork reports whether the entry is of a WiFi network.
func (e Entry) isNetwork() bool {
	return strings.HasPrefix(e.Name, wifiPrefix)
}
