package textfile

import "testing"

func TestAWrongTOMLFileIsExplainedInItsOwnTerms(t *testing.T) {
	type pin struct {
		GPIO int `toml:"gpio"`
	}
	for text, want := range map[string]string{
		"title = 1":                         "line 1, column 9: integer where a text in quotes is needed",
		"on = \"yes\"":                      "line 1, column 6: string where true or false is needed",
		"lines = \"x\"":                     "line 1, column 9: string where a list of texts is needed",
		"pin = 12":                          "line 1, column 7: integer where a table is needed",
		"[pins]\nrelay = 12":                "line 2, column 9: integer where a table is needed",
		"[pins]\nrelay = { gpio = \"12\" }": "line 2, column 18: string where a whole number is needed",
		"[wifi]\nssid = \"x\"":              "line 1: unknown key wifi",
		"title = \"\xff\"":                  "not UTF-8 text",
		"inline = \"secret\"":               "line 1, column 10: string where a table is needed",
	} {
		var file struct {
			Title  string         `toml:"title"`
			On     bool           `toml:"on"`
			Lines  []string       `toml:"lines"`
			Pin    pin            `toml:"pin"`
			Pins   map[string]pin `toml:"pins"`
			Inline struct {
				Text string `toml:"text"`
			} `toml:"inline"`
		}
		if err := DecodeTOML([]byte(text), &file); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}
