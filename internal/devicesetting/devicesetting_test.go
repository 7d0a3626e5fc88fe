package devicesetting

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func number(least, most, step int32, standard string) Declaration {
	return Declaration{Type: Number, Default: standard, Min: &least, Max: &most, Step: step}
}

func TestADeclarationAllowsItsValues(t *testing.T) {
	modes := Declaration{Type: Select, Default: "slow", Options: []string{"slow", "fast"}}
	text := Declaration{Type: Text, Length: 4}
	for _, c := range []struct {
		of    Declaration
		value string
		why   string // empty: it is allowed
	}{
		{number(10, 100, 5, "10"), "10", ""},
		{number(10, 100, 5, "10"), "95", ""},
		{number(10, 100, 5, "10"), "100", ""},
		{number(10, 100, 5, "10"), "9", "less than 10"},
		{number(10, 100, 5, "10"), "101", "more than 100"},
		{number(10, 100, 5, "10"), "12", "multiple of 5"},
		{number(10, 100, 5, "10"), "", "not a whole number"},
		{number(10, 100, 5, "10"), "010", "not a whole number"},
		{number(10, 100, 5, "10"), "+10", "not a whole number"},
		{number(10, 100, 5, "10"), "10.0", "not a whole number"},
		{number(10, 100, 5, "10"), "4294967306", "not a whole number"},
		{Declaration{Type: Number, Default: "0"}, "-2147483648", ""},
		{Declaration{Type: Number, Default: "0"}, "2147483647", ""},
		{Declaration{Type: Number, Default: "0"}, "2147483648", "not a whole number"},
		{Declaration{Type: Number, Default: "0"}, "-0", "not a whole number"},
		{Declaration{Type: Switch, Default: "0"}, "1", ""},
		{Declaration{Type: Switch, Default: "0"}, "2", "neither"},
		{Declaration{Type: Switch, Default: "0"}, "true", "neither"},
		{modes, "fast", ""},
		{modes, "Fast", "none of slow, fast"},
		{modes, "", "none of"},
		{text, "", ""},
		{text, "é é", "bytes"},
		{text, "é  ", ""},
		{text, "12345", "at most 4 bytes"},
		{text, "a\n", "printable"},
		{text, "\x7f", "printable"},
		{text, "\xff", "printable"},
		{Declaration{Type: "colour"}, "red", "nothing is known"},
	} {
		err := c.of.Check(c.value)
		if (c.why == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s %q: %v, not %q", c.of.Type, c.value, err, c.why)
		}
	}
}

func TestAWrongDeclarationIsRefused(t *testing.T) {
	many := make([]string, MaxOptions+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for says, d := range map[string]Declaration{
		"type: is missing":                {},
		"type: \"colour\" is none":        {Type: "colour"},
		"default: \"\" is not a whole":    {Type: Number},
		"default: 1 is less than 2":       number(2, 3, 1, "1"),
		"default: 3 is not 2 and a":       number(2, 4, 2, "3"),
		"min: 3 is more than max, 2":      number(3, 2, 1, "3"),
		"step: -1":                        number(0, 9, -1, "0"),
		"step: 10":                        number(0, 9, 10, "0"),
		"unit: only a setting of type nu": {Type: Switch, Default: "0", Unit: "s"},
		"options: only":                   {Type: Text, Length: 3, Options: []string{"a", "b"}},
		"length: only":                    {Type: Switch, Default: "0", Length: 3},
		"length: 0":                       {Type: Text},
		"length: 65":                      {Type: Text, Length: 65},
		"options: there are 1":            {Type: Select, Default: "a", Options: []string{"a"}},
		"options: there are 17":           {Type: Select, Default: "1", Options: many},
		"options: \"a\" is there twice":   {Type: Select, Default: "a", Options: []string{"a", "a"}},
		"options: \"\"":                   {Type: Select, Default: "a", Options: []string{"a", ""}},
		"options: \" a\"":                 {Type: Select, Default: "a", Options: []string{"a", " a"}},
		"options: \"a\\n":                 {Type: Select, Default: "a", Options: []string{"a", "a\nb"}},
		"default: \"c\" is none of a, b":  {Type: Select, Default: "c", Options: []string{"a", "b"}},
		"label: ":                         {Type: Switch, Default: "0", Label: strings.Repeat("x", MaxLabel+1)},
		"unit: ":                          {Type: Number, Default: "0", Unit: "\u202e"},
	} {
		if err := d.Validate(); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%+v: %v, not %q", d, err, says)
		}
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "interval": true, "a_9": true, "a" + strings.Repeat("b", 31): true,
		"": false, "A": false, "9a": false, "_a": false, "a-b": false, "a b": false, "ä": false, "a\n": false,
		"a" + strings.Repeat("b", 32): false,
	} {
		if IsName(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestDeclarationsAsJSONHaveALimit(t *testing.T) {
	settings := []Setting{{"mode", Declaration{Type: Select, Default: "<a>", Options: []string{"<a>", "b"}}}, {"interval", number(0, 10, 0, "5")}}
	text, err := JSON(settings)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"interval":{"type":"number","default":"5","min":0,"max":10},"mode":{"type":"select","default":"<a>","options":["<a>","b"]}}`
	if string(text) != want {
		t.Errorf("%s\nnot %s", text, want)
	}
	var back map[string]Declaration
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back["mode"], settings[0].Declaration) {
		t.Errorf("%v: %v", err, back)
	}
	settings = nil
	for i := range Max {
		settings = append(settings, Setting{fmt.Sprint("s", i), Declaration{
			Type: Text, Length: 64, Label: strings.Repeat("l", 64), Default: strings.Repeat("d", 64)}})
	}
	if _, err := JSON(settings); err == nil || !strings.Contains(err.Error(), "at most 2560") {
		t.Error(err)
	}
}
