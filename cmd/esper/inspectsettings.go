package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"esper/internal/image"
	"esper/internal/settings"
)

type settingsDetails struct {
	Type       string   `json:"type"`             // "*": all
	Device     string   `json:"device,omitempty"` // chip id of the only device that it is for
	Sequence   uint32   `json:"sequence"`
	Size       int      `json:"size"`
	Keys       int      `json:"keys"` // that open it
	Signatures int      `json:"signatures"`
	Entries    []string `json:"entries,omitempty"` // names; nil: it was not opened
	Sealed     string   `json:"sealed,omitempty"`  // why it was not opened
}

// storeDetails is what the settings in a flash are.
type storeDetails struct {
	partDetails
	Generation uint32   `json:"generation"`
	Sequence   uint32   `json:"sequence"`
	Own        uint32   `json:"own"` // of the release for the device alone
	Entries    []string `json:"entries"`
}

// inspectSettings reads a settings release. With a key that opens it, it names the entries, and
// never what is in them.
func inspectSettings(content []byte, keys [][]byte) finding {
	f := finding{Kind: "settings release"}
	r, err := settings.ParseRelease(content)
	if err != nil {
		f.Error = err.Error()
		return f
	}
	d := settingsDetails{
		Type: r.Type, Device: r.Chip, Sequence: r.Sequence, Size: len(content),
		Keys: r.Keys(), Signatures: len(r.Signatures),
	}
	if entries, err := r.Open(keys...); err == nil {
		d.Entries = entries.Names()
	} else if d.Sealed = "--fleet-key names a file with a key that opens them"; len(keys) > 0 {
		d.Sealed = err.Error()
	}
	f.Whole, f.Details = true, d
	return f
}

func (d settingsDetails) print(w io.Writer) {
	deviceType := d.Type
	if deviceType == settings.AllTypes {
		deviceType = "all"
	}
	fmt.Fprintf(w, "  device type\t%s\n", deviceType)
	if d.Device != "" {
		fmt.Fprintf(w, "  only for\t%s\n", d.Device)
	}
	fmt.Fprintf(w, "  sequence\t%d\n  size\t%d bytes\n  opened by\t%s\n  signed by\t%s\n",
		d.Sequence, d.Size, plural(d.Keys, "key"), plural(d.Signatures, "key"))
	what := strings.Join(d.Entries, " ")
	if d.Entries == nil {
		what = "sealed: " + d.Sealed
	}
	fmt.Fprintf(w, "  settings\t%s\n", what)
}

// inspectStore reads the settings in a flash; nil: there are none.
func inspectStore(flash []byte) *storeDetails {
	store := flash[image.SettingsAddress:][:image.StoreSize]
	if len(bytes.Trim(store, "\xFF")) == 0 {
		return nil
	}
	record, err := settings.ReadStore(store)
	d := &storeDetails{
		partDetails: part(err), Generation: record.Generation, Entries: record.Entries.Names(),
	}
	d.Sequence, d.Own = record.Sequences().Fleet, record.Sequences().Device
	return d
}

// valuesDetails is what device code keeps in a flash.
type valuesDetails struct {
	Generation uint32        `json:"generation"`
	Values     []valueDetail `json:"values"`
}

type valueDetail struct {
	Name    string `json:"name"`
	Version uint16 `json:"version"`
	Bytes   string `json:"bytes"` // in hexadecimal
}

// inspectValues reads the values that device code keeps in a flash. It returns nil if there are none: a
// device type may use those sectors for data in a form of its own.
func inspectValues(flash []byte) *valuesDetails {
	record, err := settings.ReadJournal(flash[image.ApplicationDataAddress:][:image.StoreSize])
	if err != nil {
		return nil
	}
	d := &valuesDetails{Generation: record.Generation, Values: []valueDetail{}}
	for _, e := range record.Entries {
		if version, value, ok := e.Persisted(); ok {
			d.Values = append(d.Values, valueDetail{e.Name, version, hex.EncodeToString(value)})
		}
	}
	return d
}

func (d *valuesDetails) print(w io.Writer) {
	if d == nil {
		return
	}
	for _, v := range d.Values {
		fmt.Fprintf(w, "  value\t%s: %s (version %d)\n", v.Name, v.Bytes, v.Version)
	}
}

func (d *storeDetails) print(w io.Writer) {
	switch {
	case d == nil:
	case !d.Whole:
		fmt.Fprintf(w, "  settings\t%s\n", d.Error)
	default:
		fmt.Fprintf(w, "  settings\tsequence %d: %s\n", d.Sequence, strings.Join(d.Entries, " "))
	}
}
