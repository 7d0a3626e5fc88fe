package build

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"esper/internal/devicesetting"
)

// settingsFile is what a device type's sources include to read its settings.
const settingsFile = "settings.h"

// classes are the classes of settings (framework/esper/settings/Setting.h).
var classes = map[string]string{
	devicesetting.Number: "NumberSetting", devicesetting.Switch: "SwitchSetting",
	devicesetting.Select: "TextSetting", devicesetting.Text: "TextSetting",
}

// settingsHeader returns the header that declares an object for each setting.
func settingsHeader(settings []devicesetting.Setting) []byte {
	var b bytes.Buffer
	b.WriteString(`// Written by the build from device.toml.
#pragma once
#ifndef __cplusplus
#error "settings.h is for C++ sources"
#endif
#include <esper/settings/Setting.h>
namespace settings {
`)
	for _, s := range settings {
		fmt.Fprintf(&b, "extern esper::%s %s;\n", classes[s.Type], s.Name)
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// settingsSource returns the source that defines the settings: their objects, and in flash what they
// allow (framework/esper/settings/SettingRule.h) and their declarations.
func settingsSource(settings []devicesetting.Setting) ([]byte, error) {
	declarations, err := devicesetting.JSON(settings)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	var list strings.Builder
	b.WriteString("// Written by the build from device.toml.\n#include <esper/settings/SettingValues.h>\n\n")
	b.WriteString("#define IN_FLASH __attribute__((section(\".irom.constants.settings\"), aligned(4)))\n")
	fmt.Fprintf(&b, "static const uint32_t declarations[] IN_FLASH = {%s};\n", wordsOf(declarations))
	for i, s := range settings {
		fmt.Fprintf(&b, "static const uint32_t rule%d[] IN_FLASH = {%s};\n", i, rule(s.Declaration))
		room := ""
		if n := textRoom(s.Declaration); n > 0 {
			fmt.Fprintf(&b, "static char text%d[%d];\n", i, n)
			room = fmt.Sprintf(", ::text%d", i)
		}
		fmt.Fprintf(&b, "namespace settings {\nesper::%s %s(::rule%d, %s%s);\n}\n", classes[s.Type], s.Name, i, quote("setting/"+s.Name), room)
		fmt.Fprintf(&list, " &::settings::%s,", s.Name)
	}
	b.WriteString("namespace esper {\n")
	fmt.Fprintf(&b, "Setting* const SettingValues::all[] = {%s };\n", list.String())
	fmt.Fprintf(&b, "const size_t SettingValues::count = %d;\n", len(settings))
	b.WriteString("void installSettings(Device& device) {\n")
	fmt.Fprintf(&b, "    static SettingValues all(&device, declarations, %d);\n", len(declarations))
	for i, s := range settings {
		fmt.Fprintf(&b, "    static SettingTopic topic%d(&device, all, ::settings::%s);\n", i, s.Name)
	}
	b.WriteString("}\n}\n")
	return b.Bytes(), nil
}

// textRoom returns how many bytes the value of a text takes, with the 0 behind it; 0: it is no text.
func textRoom(d devicesetting.Declaration) int {
	switch d.Type {
	case devicesetting.Text:
		return d.Length + 1
	case devicesetting.Select:
		return longest(d.Options) + 1
	}
	return 0
}

func longest(texts []string) int {
	n := 0
	for _, t := range texts {
		n = max(n, len(t))
	}
	return n
}

// rule returns what a setting allows, as words.
func rule(d devicesetting.Declaration) string {
	switch d.Type {
	case devicesetting.Select, devicesetting.Text:
		texts := strings.Join(append([]string{d.Default}, d.Options...), "\x00") + "\x00"
		return fmt.Sprintf("%d, %d, 0, 0, %s", len(d.Options), textRoom(d)-1, wordsOf([]byte(texts)))
	case devicesetting.Switch:
		return "0, 1, 1, " + d.Default
	}
	least, most, step := d.Bounds()
	standard, _ := strconv.ParseInt(d.Default, 10, 32) // it was validated
	return fmt.Sprintf("%#x, %#x, %d, %#x", uint32(least), uint32(most), step, uint32(int32(standard)))
}
