package settings

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"esper/internal/image"
)

var connection = Connection{
	WiFi:     []Network{{"barn", "correct horse"}, {"yard", ""}},
	Broker:   Server{"broker.lan", 1883},
	User:     "devices",
	Password: "hush",
	Update:   Server{"updates.lan", 8070}, UpdatePath: "/firmware",
	FleetKey: bytes.Repeat([]byte{7}, KeySize),
}

func TestEntriesOfAConnection(t *testing.T) {
	entries := connection.Entries()
	if err := entries.CheckKnown(); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"wifi.1": {"barn", "correct horse"},
		"wifi.2": {"yard", ""},
		"mqtt":   {"broker.lan", "1883", "devices", "hush"},
		"update": {"updates.lan", "8070", "/firmware"},
	}
	for name, texts := range want {
		e, ok := entries.Find(name)
		if !ok || !reflect.DeepEqual(e.Texts(), texts) {
			t.Errorf("%s: %q, not %q", name, e.Texts(), texts)
		}
	}
	if e, _ := entries.Find(FleetName); !bytes.Equal(e.Bytes(), connection.FleetKey) {
		t.Errorf("fleet: %x", e.Bytes())
	}
	if len(entries) != 5 {
		t.Errorf("%d entries", len(entries))
	}
	if names := (Connection{}).Entries().Names(); len(names) != 0 {
		t.Errorf("no connection has %q", names)
	}
}

func TestEntriesAreReadAsWritten(t *testing.T) {
	entries := Entries{
		OfTexts("a", "", "two", ""), OfNumber("b-_.9", -2), OfBytes(strings.Repeat("n", MaxName), []byte{0, 1}),
		Removal("gone"),
	}
	b, err := entries.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x01\x01\x06\x00a\x00two\x00\x00"; !strings.HasPrefix(string(b), want) {
		t.Errorf("%q does not begin with %q", b, want)
	}
	read, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := read[0].Texts(); !reflect.DeepEqual(got, []string{"", "two", ""}) {
		t.Errorf("%q", got)
	}
	if n, ok := read[1].Number(); n != -2 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	if !bytes.Equal(read[2].Bytes(), []byte{0, 1}) || !read[3].Removes() || len(read) != 4 {
		t.Errorf("%+v", read)
	}
	if _, ok := read[0].Number(); ok || read[0].Bytes() != nil || read[1].Texts() != nil {
		t.Error("values of another type than the entry's")
	}
}

func TestMalformedEntries(t *testing.T) {
	long := strings.Repeat("n", MaxName+1)
	for what, b := range map[string]string{
		"no name":          "\x03\x00\x01\x00v",
		"long name":        "\x03\x21\x01\x00" + long + "v",
		"upper case":       "\x03\x01\x01\x00Av",
		"blank in a name":  "\x03\x03\x01\x00a bv",
		"0 in a name":      "\x03\x02\x01\x00a\x00v",
		"type 0":           "\x00\x01\x01\x00av",
		"type 4":           "\x04\x01\x01\x00av",
		"number of 3":      "\x02\x01\x03\x00a123",
		"number of 5":      "\x02\x01\x05\x00a12345",
		"text without end": "\x01\x01\x01\x00av",
		"cut header":       "\x03\x01\x01",
		"cut name":         "\x03\x02\x00\x00a",
		"cut value":        "\x03\x01\x02\x00av",
		"rest":             "\x03\x01\x01\x00avx",
		"twice":            "\x03\x01\x01\x00av\x03\x01\x01\x00aw",
		"too large":        "\x03\x01\xff\x07a" + strings.Repeat("v", 2047),
	} {
		if entries, err := Parse([]byte(b)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", what, entries, err)
		}
	}
	for what, entries := range map[string]Entries{
		"twice":     {OfNumber("a", 1), OfTexts("a", "b")},
		"too large": {OfBytes("a", make([]byte, 1500)), OfBytes("b", make([]byte, 600))},
		"long name": {OfNumber(long, 1)},
		"no end":    {{"a", Texts, []byte("a")}},
		"a length that does not fit into its field": {OfBytes("a", make([]byte, 1<<16+1))},
	} {
		if _, err := entries.Marshal(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	fits := Entries{OfBytes("a", make([]byte, MaxEntries-entryHeader-1))}
	if b, err := fits.Marshal(); err != nil || len(b) != MaxEntries {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestKnownEntries(t *testing.T) {
	for what, e := range map[string]Entry{
		"one text for a network":    OfTexts("wifi.1", "barn"),
		"a number for a network":    OfNumber("wifi.4", 1),
		"network 0":                 OfTexts("wifi.0", "barn", ""),
		"network 5":                 OfTexts("wifi.5", "barn", ""),
		"network 01":                OfTexts("wifi.01", "barn", ""),
		"three texts for a broker":  OfTexts("mqtt", "host", "1883", "user"),
		"a broker without a port":   OfTexts("mqtt", "host", "", "user", ""),
		"a port that is too large":  OfTexts("update", "host", "65536", ""),
		"port 0":                    OfTexts("update", "host", "0", ""),
		"a port with a sign":        OfTexts("update", "host", "+80", ""),
		"a fleet key of 31 bytes":   OfBytes("fleet", make([]byte, 31)),
		"a fleet key that is texts": OfTexts("fleet", strings.Repeat("k", 31)),
		"a device key of 33 bytes":  OfBytes("device.key", make([]byte, 33)),
		"a password of two texts":   OfTexts("device.password", "a", "b"),
		"a name that is bytes":      OfBytes("device.name", []byte("barn")),
		"a sequence that is bytes":  OfBytes("sequence", []byte("1234")),
	} {
		if err := (Entries{e}).CheckKnown(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	unknown := Entries{OfNumber("colour", 1), OfBytes("x.y", []byte{1}), Removal("mqtt"), OfNumber("device.sequence", 3)}
	if err := unknown.CheckKnown(); err != nil {
		t.Error(err)
	}
}

func TestMerge(t *testing.T) {
	record := Entries{
		OfTexts("wifi.1", "old", "a"), OfTexts("wifi.2", "older", "b"), OfTexts("mqtt", "h", "1", "", ""),
		OfTexts("device.name", "lamp"),
	}
	names := func(e Entries) string { return strings.Join(e.Names(), " ") }

	merged := record.Merge(Entries{OfTexts("mqtt", "new", "2", "", "")})
	if got := names(merged); got != "wifi.1 wifi.2 device.name mqtt" {
		t.Error(got)
	}
	if e, _ := merged.Find("mqtt"); e.Texts()[0] != "new" {
		t.Error(e.Texts())
	}
	merged = record.Merge(Entries{OfTexts("wifi.1", "new", "c")})
	if got := names(merged); got != "mqtt device.name wifi.1" {
		t.Errorf("one network in place of two: %s", got)
	}
	merged = record.Merge(Entries{Removal("wifi.2"), Removal("device.name"), Removal("never.there")})
	if got := names(merged); got != "mqtt" {
		t.Errorf("removals: %s", got)
	}
	if got := names(record); got != "wifi.1 wifi.2 mqtt device.name" {
		t.Errorf("the record is now %s", got)
	}
	if got := names(Entries(nil).Merge(record)); got != names(record) {
		t.Error(got)
	}
}

func TestRecord(t *testing.T) {
	r := Record{42, append(connection.Entries(), OfNumber("sequence", 7), OfNumber("device.sequence", 9))}
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sector := append(bytes.Clone(b), bytes.Repeat([]byte{0xFF}, image.SectorSize-len(b))...)
	read, err := ParseRecord(sector)
	if err != nil || !reflect.DeepEqual(read, r) {
		t.Fatalf("%+v, %v", read, err)
	}
	if got := read.Sequences(); got != (Sequences{7, 9}) {
		t.Errorf("%+v", got)
	}
	for i := range b {
		damaged := bytes.Clone(sector)
		damaged[i] ^= 1
		if _, err := ParseRecord(damaged); !errors.Is(err, ErrMalformed) {
			t.Fatalf("bit in byte %d: %v", i, err)
		}
	}
	for n := range b {
		if _, err := ParseRecord(b[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := (Record{1, Entries{Removal("a")}}).Marshal(); !errors.Is(err, ErrMalformed) {
		t.Errorf("an entry without a value: %v", err)
	}
	largest := Record{1, Entries{OfBytes("a", make([]byte, MaxEntries-entryHeader-1))}}
	if b, err := largest.Marshal(); err != nil || len(b) != 2096 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestWhichRecordOfAStoreCounts(t *testing.T) {
	sector := func(generation uint32, name string) []byte {
		store, err := Record{generation, Entries{OfTexts("device.name", name)}}.Store()
		if err != nil {
			t.Fatal(err)
		}
		return store[:image.SectorSize]
	}
	erased := bytes.Repeat([]byte{0xFF}, image.SectorSize)
	damaged := sector(9, "damaged")
	damaged[20] ^= 1
	for what, c := range map[string]struct {
		first, second []byte
		want          string
	}{
		"second is newer":     {sector(1, "old"), sector(2, "new"), "new"},
		"first is newer":      {sector(3, "new"), sector(2, "old"), "new"},
		"same generation":     {sector(3, "first"), sector(3, "second"), "first"},
		"first damaged":       {damaged, sector(2, "whole"), "whole"},
		"second damaged":      {sector(2, "whole"), damaged, "whole"},
		"second erased":       {sector(2, "whole"), erased, "whole"},
		"erased":              {erased, erased, ""},
		"damaged":             {damaged, erased, ""},
		"generation above 31": {sector(1, "old"), sector(1<<31, "new"), "new"},
	} {
		r, err := ReadStore(append(bytes.Clone(c.first), c.second...))
		e, _ := r.Entries.Find("device.name")
		if got := strings.Join(e.Texts(), ""); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for _, size := range []int{0, image.SectorSize, image.StoreSize + 1} {
		if _, err := ReadStore(make([]byte, size)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// journalOf returns a journal with records one behind the other in each sector, the rest erased.
func journalOf(t *testing.T, sectors ...[]Record) []byte {
	t.Helper()
	journal := bytes.Repeat([]byte{0xFF}, image.StoreSize)
	for i, records := range sectors {
		at := i * image.SectorSize
		for _, r := range records {
			b, err := r.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			at += (copy(journal[at:], b) + 3) &^ 3
		}
	}
	return journal
}

func TestWhichRecordOfAJournalCounts(t *testing.T) {
	of := func(generation uint32) Record {
		value := bytes.Repeat([]byte{byte(generation)}, int(1+generation%7))
		return Record{generation, Entries{OfPersisted("value", 2, value)}}
	}
	damaged := journalOf(t, []Record{of(1), of(2), of(3)})
	damaged[recordSpace(len("value")+8+2)+20] ^= 1 // the second one: the third is behind it
	for name, c := range map[string]struct {
		journal []byte
		want    uint32 // 0: none
	}{
		"erased":                  {journalOf(t), 0},
		"one":                     {journalOf(t, []Record{of(1)}), 1},
		"the last of several":     {journalOf(t, []Record{of(1), of(2), of(3), of(4)}), 4},
		"in the second sector":    {journalOf(t, []Record{of(1)}, []Record{of(2), of(3)}), 3},
		"in the first sector":     {journalOf(t, []Record{of(4), of(5)}, []Record{of(2), of(3)}), 5},
		"the second one only":     {journalOf(t, nil, []Record{of(7)}), 7},
		"before what is damaged":  {damaged, 1},
		"something else entirely": {bytes.Repeat([]byte{0}, image.StoreSize), 0},
	} {
		r, err := ReadJournal(c.journal)
		switch {
		case c.want == 0:
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		case err != nil || r.Generation != c.want || len(r.Entries) != 1:
			t.Errorf("%s: %+v, %v", name, r, err)
		default:
			version, value, ok := r.Entries[0].Persisted()
			if !ok || version != 2 || !bytes.Equal(value, of(c.want).Entries[0].Value[4:]) {
				t.Errorf("%s: version %d, %x, %v", name, version, value, ok)
			}
		}
	}
	if _, err := ReadJournal(make([]byte, 10)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	b, err := append(connection.Entries(), OfNumber("sequence", 1), Removal("gone")).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(append(bytes.Clone(b), b...))
	f.Add([]byte("\x01\x01\x02\x00a\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again, err := entries.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q became %q, %v", b, again, err)
		}
		for _, e := range entries {
			if e.Type == Texts && !e.Removes() && !reflect.DeepEqual(OfTexts(e.Name, e.Texts()...), e) {
				t.Errorf("%+v", e)
			}
		}
		if merged := entries.Merge(entries); len(merged) > len(entries) {
			t.Errorf("%+v merged into itself is %+v", entries, merged)
		}
	})
}

// FuzzRecord: what is read is written the same, but for entries without a value.
func FuzzRecord(f *testing.F) {
	b, err := Record{3, connection.Entries()}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:100])
	huge := bytes.Clone(b)
	binary.LittleEndian.PutUint32(huge[12:], 0xFFFFFFFF)
	f.Add(huge)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if slices.ContainsFunc(r.Entries, Entry.Removes) {
			return
		}
		if err != nil || !bytes.HasPrefix(b, again) {
			t.Fatalf("%q became %q, %v", b, again, err)
		}
	})
}
