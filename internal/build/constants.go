package build

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"esper/internal/site"
)

// constantsFile is what a device type's sources include to read its constants.
const constantsFile = "constants.h"

// constantsHeader returns the header with the constants of a device type: for C++
// typed, in a namespace of their own; for C macros.
func constantsHeader(constants []site.Constant) []byte {
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
		fmt.Fprintf(&c, "#define %s %s\n", constant.Name, value)
	}
	return fmt.Appendf(nil, `// Written by the build from device.toml.
#pragma once
#include <stdint.h>
#ifdef __cplusplus
namespace constants {
%s}
#else
#include <stdbool.h>
%s#endif
`, cpp.Bytes(), c.Bytes())
}

// constantsDir returns a folder in the cache that holds the header.
func (b *builder) constantsDir(header []byte) (string, error) {
	return makeDir(b.cache, "constants-"+hash(header)[:32], func(dir string) error {
		return writeLasting(filepath.Join(dir, constantsFile), header)
	})
}
