package build

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"esper/internal/site"
)

// configuration returns the source of the one translation unit that knows device
// type, version and site (framework/esper/Configuration.h).
// The compiled ones are the entries of the settings (SPEC 12.2) that are built in.
func configuration(c site.Config, compiled []byte, t job) []byte {
	var b bytes.Buffer
	deviceType, v, declares := t.Name, t.version, len(t.Settings) > 0
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	updates := c.Update.URL != ""

	p("// Written by the build.")
	p("#include <esper/Configuration.h>")
	p("#include <esper/Device.h>")
	p("#include <esper/LogPort.h>")
	if c.Heartbeat.Timeout > 0 {
		p("#include <esper/services/Heartbeat.h>")
	}
	if c.Time.Server != "" {
		p("#include <esper/services/Sntp.h>")
	}
	p("#include <esper/Time.h>")
	if updates {
		p("#include <esper/services/Update.h>")
	}
	if updates && c.Secrets.Stored() {
		p("#include <esper/services/SettingsUpdate.h>")
	}
	p("")
	p("namespace esper {")
	p("")
	if updates {
		p("static const uint8_t keys[][32] = {")
		for _, key := range c.Update.Keys {
			p("    {%s},", bytesOf(key))
		}
		p("};")
	}
	settings := "nullptr"
	if len(compiled) > 0 {
		settings = "settings"
		p("static const uint32_t settings[] __attribute__((section(\".irom.constants.settings\"))) = {")
		p("    %s", wordsOf(compiled))
		p("};")
	}
	p("extern const Configuration configuration = {")
	p("    %s, %s, %du,", quote(deviceType), quote(v.Name), v.Sequence)
	p("    %s,", quote(c.Realm))
	p("    %s, %d, %t,", settings, len(compiled), c.Secrets.Stored())
	p("    %du, %du,", uint32(c.Update.Interval.Seconds()), uint32(c.Update.Jitter.Seconds()))
	if updates {
		p("    keys, %d,", len(c.Update.Keys))
	} else {
		p("    nullptr, 0,")
	}
	p("    %du, %du, %t,", uint32(c.Update.ConfirmAfter.Seconds()), uint32(c.Update.TrialTimeout.Seconds()), c.Update.Refresh)
	p("    %du,", uint32(c.Heartbeat.Timeout.Seconds()))
	p("};")
	p("")
	p("extern const Zone zone = %s;", zone(c.Time.Zone))
	p("")
	p("// Slot, size and link are filled in when the image is packed.")
	p("extern const Descriptor descriptor __attribute__((section(\".descriptor\"), used)) = {")
	p("    Descriptor::MAGIC, Descriptor::FORMAT, %s, %s, %du, 0, 0, {}, 0,", quote(deviceType), quote(v.Name), v.Sequence)
	p("};")
	p("")
	if declares { // settings.cpp
		p("void installSettings(Device& device);")
	}
	p("void openLog() {")
	p("    LogPort::%s();", cmp.Or(t.Log.Port, site.LogPorts[0]))
	p("}")
	p("void installServices([[maybe_unused]] Device& device) {")
	if c.Heartbeat.Timeout > 0 {
		p("    static Heartbeat heartbeat(&device);")
	}
	if c.Time.Server != "" {
		p("    static Sntp sntp(&device, %s);", quote(c.Time.Server))
	}
	if updates {
		p("    static Update update(&device);")
	}
	if updates && c.Secrets.Stored() {
		p("    static SettingsUpdate settingsUpdate(&device, &update);")
	}
	if declares {
		p("    installSettings(device);")
	}
	p("}")
	p("")
	p("}  // namespace esper")
	return b.Bytes()
}

// zone returns a time zone as a C++ initializer (framework/esper/Calendar.h).
func zone(z site.Zone) string {
	change := func(c site.Change) string {
		return fmt.Sprintf("{%d, %d, %d, %d}", c.Month, c.Week, c.Weekday, c.Seconds)
	}
	return fmt.Sprintf("{%d, %d, %s, %s}", z.Standard, z.Daylight, change(z.ToDaylight), change(z.ToStandard))
}

// quote returns text as a C++ string literal: every byte that is not plain
// becomes an octal escape of three digits, which nothing after it can prolong.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		// ? as well: no trigraphs.
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '?' {
			fmt.Fprintf(&b, "\\%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// bytesOf returns bytes as a list of C++ integers.
func bytesOf(data []byte) string {
	var list []string
	for _, c := range data {
		list = append(list, fmt.Sprint(c))
	}
	return strings.Join(list, ", ")
}

// wordsOf returns bytes as a list of C++ words, little endian, filled up with 0.
func wordsOf(data []byte) string {
	var list []string
	for word := range slices.Chunk(data, 4) {
		word = append(slices.Clone(word), 0, 0, 0)[:4]
		list = append(list, fmt.Sprintf("0x%08Xu", binary.LittleEndian.Uint32(word)))
	}
	return strings.Join(list, ", ")
}
