package build_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esper/internal/build"
)

// Errors that everybody makes: each is a line that says where and why.
func TestAMistakeIsOneReadableLine(t *testing.T) {
	const (
		includes = "#include <esper/Log.h>\n#include <esper/features/Button.h>\n#include <esper/features/OnOffFeature.h>\n"
		begin    = includes + "using namespace esper;\nconstexpr const char NAME[] = \"socket\";\n" // 5 lines
		device   = "Device device;\n"
		socket   = "OnOffFeature<NAME, 12> socket(&device);\n"
		end      = "Device* getDevice() { return &device; }\n"
	)
	dir := newSite(t, false)
	folder := filepath.Join(dir, "devices", "socket")
	must(t, os.MkdirAll(filepath.Join(dir, "lib", "leds"), 0o777))
	must(t, os.WriteFile(filepath.Join(dir, "lib", "leds", "leds.h"), []byte("\nint leds() { return 5 }\n"), 0o666))
	for name, test := range map[string]struct {
		source, more string // socket.cpp and more.cpp
		toml         string
		want         string
	}{
		"a feature's name with a blank": {source: strings.Replace(begin, "socket", "living room", 1) + device + socket + end,
			want: "socket/socket.cpp does not compile: line 7: a feature's name may have the characters A-Z a-z 0-9 _ - only: no blanks, slashes or umlauts"},
		"a pin that the board has not": {source: begin + "#include <board.h>\n" + device + "OnOffFeature<NAME, board::RELAI> socket(&device);\n" + end, toml: "board = \"nodemcu\"\n",
			want: "socket/socket.cpp does not compile: line 8: the type's board has no pin RELAI: 'esper boards' lists the pins of each"},
		"a constant that is not there": {source: begin + "#include <constants.h>\n" + device + "OnOffFeature<NAME, constants::PIN> socket(&device);\n" + end, toml: "[constants]\nGPIO = 12\n",
			want: "socket/socket.cpp does not compile: line 8: device.toml has no constant PIN"},
		"no semicolon": {source: begin + "Device device\n" + socket + end,
			want: "socket/socket.cpp does not compile: line 7: expected initializer before 'OnOffFeature': is a semicolon missing in the line before?"},
		"no namespace": {source: "#include <esper/features/Button.h>\nconstexpr const char NAME[] = \"socket\";\n" + device + end,
			want: `socket/socket.cpp does not compile: line 3: Device is in namespace esper: add the line "using namespace esper;" after the includes`},
		"a name of nobody's": {source: "#include <esper/features/Button.h>\nDevices device;\n",
			want: "socket/socket.cpp does not compile: line 2: 'Devices' does not name a type"},
		"no getDevice": {source: begin + device + socket,
			want: `socket: does not link: nothing defines getDevice(): add "Device* getDevice() { return &device; }" to a source of the type`},
		"two getDevice": {source: begin + device + end + end,
			want: "socket/socket.cpp does not compile: line 8: redefinition of 'esper::Device* getDevice()'"},
		"two getDevice in two sources": {source: begin + device + end, more: begin + "static Device another;\nDevice* getDevice() { return &another; }\n",
			want: "socket: does not link: more.cpp:7 and socket.cpp:7 both define getDevice()"},
		"a function of nobody's": {source: begin + device + "int nobody();\n" + "Device* getDevice() {\n    return nobody() > 0 ? &device : nullptr;\n}\n",
			want: "socket: does not link: socket.cpp:9: nothing defines nobody()"},
		"a GPIO that is the flash's": {source: begin + device + "OnOffFeature<NAME, 6> socket(&device);\n" + end,
			want: "socket/socket.cpp does not compile: line 7: GPIO 6, 7, 8 and 11 belong to the flash chip"},
		"an include of nothing": {source: begin + device + "#include <leds.h>\n" + socket + end,
			want: "socket/socket.cpp does not compile: line 7: there is no header leds.h; if a library has it, device.toml must name that: libraries = [...]"},
		"in a header of a library": {source: begin + device + "#include <leds.h>\n" + socket + end, toml: "libraries = [\"leds\"]\n",
			want: "socket/socket.cpp does not compile: " + dir + "/lib/leds/leds.h:2: expected ';' before '}' token"},
		"no comma in a line for the log": {source: begin + device + end + "void say() {\n    ESPER_WARNING(\"socket\", \"%d\" 5);\n}\n",
			want: "socket/socket.cpp does not compile: line 9: "},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(filepath.Join(folder, "socket.cpp"), []byte(test.source), 0o666))
			must(t, os.WriteFile(filepath.Join(folder, "device.toml"), []byte(test.toml), 0o666))
			more := filepath.Join(folder, "more.cpp")
			os.Remove(more)
			if test.more != "" {
				must(t, os.WriteFile(more, []byte(test.more), 0o666))
			}
			var log bytes.Buffer
			_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}, Log: &log, Jobs: 1})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.HasSuffix(test.want, " ") == (err.Error() == test.want) {
				t.Errorf("%v\nnot\n%s\n%s", err, test.want, &log)
			}
			for _, noise := range []string{"In instantiation of", "required from", "evaluates to false", "/objects/", "static assertion"} {
				if strings.Contains(log.String(), noise) {
					t.Errorf("the log has %q:\n%s", noise, &log)
				}
			}
		})
	}
}

// The compiler blames the macro.
func TestAWrongFormatIsAWarningOfItsLine(t *testing.T) {
	dir := newSite(t, false)
	must(t, os.WriteFile(filepath.Join(dir, "devices", "socket", "more.cpp"), []byte(`#include <esper/Log.h>
template <typename Value>
void show(Value value) {
    ESPER_DEBUG("more", "%s", value);
}
void tell(int number) {
    ESPER_INFO("more", "%s", number);
    show(number);
}
`), 0o666))
	for range 2 { // the second time from the cache
		var log bytes.Buffer
		_, err := buildSite(t, dir, build.Options{Types: []string{"socket"}, Log: &log})
		must(t, err)
		for _, line := range []string{"4", "7"} {
			if n := strings.Count(log.String(), "./more.cpp:"+line+":5: warning: format '%s' expects argument of type 'char*', but argument 3 has type 'int' [-Wformat=]\n"); n != 1 {
				t.Errorf("%d warnings of line %s:\n%s", n, line, &log)
			}
		}
	}
}
