package textfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// DecodeTOML reads TOML. Unknown keys are errors. The messages name the line, never what stands in
// it, which may be a password.
func DecodeTOML(text []byte, file any) error {
	if !utf8.Valid(text) {
		return errors.New("not UTF-8 text")
	}
	err := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields().Decode(file)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		line, _ := unknown.Errors[0].Position()
		return fmt.Errorf("line %d: unknown key %s", line, strings.Join(unknown.Errors[0].Key(), "."))
	}
	var malformed *toml.DecodeError
	if errors.As(err, &malformed) {
		line, column := malformed.Position()
		what := mismatch.ReplaceAllString(strings.TrimPrefix(malformed.Error(), "toml: "), "$1 where $2 is needed")
		what = table.ReplaceAllString(what, "where a table is needed")
		return fmt.Errorf("line %d, column %d: %s", line, column, kinds.Replace(what))
	}
	return err
}

// What the library says of a value of the wrong kind is for who knows the program, not
// the file.
var (
	mismatch = regexp.MustCompile(`(?s)^cannot decode TOML (\w+) into (?:.* type )?\*?(\S+|struct \{.*\})$`)
	table    = regexp.MustCompile(`where (?:\w+\.\w+|(?s:struct \{.*\})) is needed$`)
	kinds    = strings.NewReplacer("where string", "where a text in quotes", "where bool", "where true or false",
		"where int", "where a whole number", "where []string", "where a list of texts")
)
