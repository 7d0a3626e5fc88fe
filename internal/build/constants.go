package build

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"esper/internal/board"
	"esper/internal/site"
)

// What a device type's sources include: constantsFile to read its constants, boardFile the pins of
// its board.
const (
	constantsFile = "constants.h"
	boardFile     = "board.h"
)

// headers returns the headers that the build writes for a device type, by their names.
func headers(t site.DeviceType) map[string][]byte {
	all := map[string][]byte{}
	if len(t.Constants) > 0 {
		all[constantsFile] = header("device.toml", "constants", "", t.Constants)
	}
	if t.Board != nil {
		all[boardFile] = header("the board "+t.Board.Name, "board", "BOARD_", pins(t.Board))
	}
	if len(t.Settings) > 0 {
		all[settingsFile] = settingsHeader(t.Settings)
	}
	return all
}

// pins returns the constants for the pins of a board.
func pins(b *board.Board) []site.Constant {
	var all []site.Constant
	for _, p := range b.Pins {
		name := strings.ToUpper(p.Name)
		all = append(all, site.Constant{Name: name, Value: int64(p.GPIO)},
			site.Constant{Name: name + board.InvertedSuffix, Value: p.Inverted})
	}
	return all
}

// header returns a header with constants: for C++ typed, in a namespace of their own; for C macros
// with a prefix.
func header(from, namespace, prefix string, constants []site.Constant) []byte {
	var cpp, c bytes.Buffer
	for _, constant := range constants {
		var kind, array, value string
		switch v := constant.Value.(type) {
		case bool:
			kind, value = "bool", strconv.FormatBool(v)
		case string:
			kind, array, value = "char", "[]", quote(v)
		case int64:
			switch {
			case v > math.MaxInt32:
				kind, value = "uint32_t", fmt.Sprintf("%du", v)
			case v == math.MinInt32: // 2147483648 would be no int32_t
				kind, value = "int32_t", fmt.Sprintf("(%d - 1)", v+1)
			default:
				kind, value = "int32_t", fmt.Sprintf("(%d)", v)
			}
		}
		fmt.Fprintf(&cpp, "constexpr %s %s%s = %s;\n", kind, constant.Name, array, value)
		fmt.Fprintf(&c, "#define %s%s %s\n", prefix, constant.Name, value)
	}
	return fmt.Appendf(nil, `// Written by the build from %s.
#pragma once
#include <stdint.h>
#ifdef __cplusplus
namespace %s {
%s}
#else
#include <stdbool.h>
%s#endif
`, from, namespace, cpp.Bytes(), c.Bytes())
}

// headersDir returns a folder in the cache that holds headers.
func (b *builder) headersDir(headers map[string][]byte) (string, error) {
	var names string
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		names += name + " " + hash(headers[name]) + "\n"
	}
	return makeDir(b.cache, "constants-"+hash([]byte(names))[:32], func(dir string) error {
		for name, content := range headers {
			if err := writeLasting(filepath.Join(dir, name), content); err != nil {
				return err
			}
		}
		return nil
	})
}
