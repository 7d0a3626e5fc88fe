package build

import (
	"bytes"
	"fmt"
	"strings"

	"esper/internal/site"
)

// configuration returns the source of the one translation unit that knows device
// type, version and site (framework/esper/Configuration.h).
func configuration(c site.Config, deviceType string, v site.Version) []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	updates := c.Update.URL != ""

	p("// Written by the build.")
	p("#include <esper/Configuration.h>")
	p("#include <esper/Device.h>")
	if c.Heartbeat.Timeout > 0 {
		p("#include <esper/services/Heartbeat.h>")
	}
	if updates {
		p("#include <esper/services/Update.h>")
	}
	p("")
	if updates {
		p("static const uint8_t keys[][32] = {")
		for _, key := range c.Update.Keys {
			p("    {%s},", bytesOf(key))
		}
		p("};")
	}
	p("extern const Configuration configuration = {")
	p("    %s, %s, %du,", quote(deviceType), quote(v.Name), v.Sequence)
	p("    %s, %s,", quote(c.WiFi.SSID), quote(c.WiFi.Password.Reveal()))
	p("    %s, %d, %s, %s,", quote(c.MQTT.Host), c.MQTT.Port, quote(c.MQTT.User), quote(c.MQTT.Password.Reveal()))
	p("    %s,", quote(c.Realm))
	p("    %s, %d, %s, %du,", quote(c.Update.Host), c.Update.Port, quote(c.Update.Path),
		uint32(c.Update.Interval.Seconds()))
	if updates {
		p("    keys, %d,", len(c.Update.Keys))
	} else {
		p("    nullptr, 0,")
	}
	p("    %du, %du, %t,", uint32(c.Update.ConfirmAfter.Seconds()), uint32(c.Update.TrialTimeout.Seconds()), c.Update.Refresh)
	p("    %du,", uint32(c.Heartbeat.Timeout.Seconds()))
	p("};")
	p("")
	p("// Slot, size and link are filled in when the image is packed.")
	p("extern const Descriptor descriptor __attribute__((section(\".descriptor\"), used)) = {")
	p("    Descriptor::MAGIC, Descriptor::FORMAT, %s, %s, %du, 0, 0, {}, 0,", quote(deviceType), quote(v.Name), v.Sequence)
	p("};")
	p("")
	p("void installServices([[maybe_unused]] Device& device) {")
	if c.Heartbeat.Timeout > 0 {
		p("    static Heartbeat heartbeat(&device);")
	}
	if updates {
		p("    static Update update(&device);")
	}
	p("}")
	return b.Bytes()
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
