package build_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"esper/internal/build"
	"esper/internal/site"
)

var ofSettings = regexp.MustCompile("SettingRule|SettingValues|SettingTopic|NumberSetting|SwitchSetting|TextSetting")

// settingSymbols returns the names in a program that belong to settings.
func settingSymbols(t *testing.T, path string) (names []string) {
	t.Helper()
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	must(t, err)
	for _, s := range symbols {
		if ofSettings.MatchString(s.Name) && elf.ST_TYPE(s.Info) != elf.STT_FILE && s.Section != elf.SHN_UNDEF {
			names = append(names, s.Name)
		}
	}
	return names
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	must(t, os.WriteFile(path, []byte(content), 0o666))
}

// tunedDevice is device code that reads the settings of these names.
func tunedDevice(names ...string) string {
	source := "#include <esper/Device.h>\n#include <settings.h>\nusing namespace esper;\nDevice device;\nint32_t seen;\nDevice* getDevice() {\n"
	for _, name := range names {
		source += "    seen += settings::" + name + ".get();\n    settings::" + name + ".onChange([](void*) { seen++; });\n"
	}
	return source + "    return &device;\n}\n"
}

// numberSettings is a device.toml with number settings of these names.
func numberSettings(names ...string) (file string) {
	for _, name := range names {
		file += fmt.Sprintf("[settings.%s]\ntype = \"number\"\ndefault = 60\nmin = 10\nmax = 3600\nunit = \"s\"\nlabel = \"Interval\"\n", name)
	}
	return file
}

// What settings cost, by the sizes of the images: nothing, for a type that declares none.
func TestWhatSettingsCost(t *testing.T) {
	dir := newSite(t, true)
	writeFile(t, filepath.Join(dir, "devices/none/none.cpp"), "#include <esper/Device.h>\nusing namespace esper;\nDevice device;\nint32_t seen;\nDevice* getDevice() { return &device; }\n")
	names := strings.Split("interval_a interval_b interval_c interval_d interval_e interval_f interval_g interval_h "+
		"interval_i interval_j interval_k interval_l interval_m interval_n interval_o interval_p", " ")
	for name, n := range map[string]int{"one": 1, "four": 4, "sixteen": 16} {
		writeFile(t, filepath.Join(dir, "devices", name, name+".cpp"), tunedDevice(names[:n]...))
		writeFile(t, filepath.Join(dir, "devices", name, site.DeviceFile), numberSettings(names[:n]...))
	}
	r := mustBuild(t, dir, build.Options{Version: &site.Version{Name: "v1", Sequence: 1}})
	sizes := map[string]build.ImageResult{}
	for _, built := range r.Types {
		sizes[built.Name] = built.Images[0]
	}
	none := sizes["none"]
	if names := settingSymbols(t, none.ELF); len(names) > 0 {
		t.Errorf("a type without settings has %v", names)
	}
	for _, name := range []string{"one", "four", "sixteen"} {
		s := sizes[name]
		if len(settingSymbols(t, s.ELF)) == 0 {
			t.Errorf("%s has no symbol of a setting", name)
		}
		code, ram := s.Code-none.Code, exactRAM(t, s.ELF)-exactRAM(t, none.ELF)
		t.Logf("%s: %d bytes of flash, %d of RAM more than without settings", name, code, ram)
		if most := map[string][2]int{"one": {4 << 10, 768}, "four": {5 << 10, 1024}, "sixteen": {7 << 10, 2304}}[name]; code > most[0] || ram > most[1] {
			t.Errorf("%s costs %d bytes of flash and %d of RAM", name, code, ram)
		}
	}
}

// exactRAM returns how many bytes of RAM a program's data take, without what the linker fills up.
func exactRAM(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	must(t, err)
	for _, s := range symbols {
		if s.Name == "_rodata_end" || s.Name == "_bss_end" {
			n += int(s.Value)
		}
		if s.Name == "_rodata_start" || s.Name == "_bss_start" {
			n -= int(s.Value)
		}
	}
	return n
}

// Names that the program has already, or may be taken for something else.
func TestSettingsMayHaveOddNames(t *testing.T) {
	dir := newSite(t, false)
	names := []string{"a", "all", "count", "declarations", "device", "errno", "main", "max", "min", "rule0", "set",
		"settings", "text0", "topic0", "a" + strings.Repeat("_", 30) + "1", "z"}
	writeFile(t, filepath.Join(dir, "devices/odd/odd.cpp"), tunedDevice(names...))
	writeFile(t, filepath.Join(dir, "devices/odd", site.DeviceFile), strings.ReplaceAll(numberSettings(names...), "label = \"Interval\"\n", "label = \"\\\"?\\\\\"\n"))
	mustBuild(t, dir, build.Options{Version: &site.Version{Name: "v1", Sequence: 1}})
}

func TestSettingsAreForDeclaredNamesAndCPlusPlus(t *testing.T) {
	dir := newSite(t, false)
	writeFile(t, filepath.Join(dir, "devices/lamp/lamp.cpp"), tunedDevice("a"))
	writeFile(t, filepath.Join(dir, "devices/lamp", site.DeviceFile), numberSettings("b"))
	o := build.Options{Types: []string{"lamp"}}
	var failed *build.CompileError
	if _, err := buildSite(t, dir, o); !errors.As(err, &failed) || !strings.Contains(failed.Output, "settings::a") && !strings.Contains(failed.Output, "'a' is not a member of 'settings'") {
		t.Errorf("a setting that is not declared: %v", err)
	}
	writeFile(t, filepath.Join(dir, "devices/lamp/lamp.cpp"), tunedDevice("b"))
	mustBuild(t, dir, o)
	writeFile(t, filepath.Join(dir, "devices/lamp/other.c"), "#include <settings.h>\n")
	if _, err := buildSite(t, dir, o); !errors.As(err, &failed) || !strings.Contains(failed.Output, "settings.h is for C++ sources") {
		t.Errorf("from C: %v", err)
	}
}

// The example of docs/device-types.md is device code that compiles.
func TestTheDocumentsExampleOfSettingsIsBuilt(t *testing.T) {
	text := string(read(t, "../../docs/device-types.md"))
	_, text, found := strings.Cut(text, "\n## Settings\n")
	_, file, alsoFound := strings.Cut(text, "\n    [settings.interval]\n")
	if !found || !alsoFound {
		t.Fatal("no section with a device.toml")
	}
	file, rest, _ := strings.Cut("    [settings.interval]\n"+file, "\n\nThe build writes")
	_, code, _ := strings.Cut(rest, "```cpp\n")
	code, _, _ = strings.Cut(code, "```")
	dir := newSite(t, false)
	writeFile(t, filepath.Join(dir, "devices/lamp/lamp.cpp"), code)
	writeFile(t, filepath.Join(dir, "devices/lamp", site.DeviceFile), strings.ReplaceAll("\n"+file, "\n    ", "\n"))
	r := mustBuild(t, dir, build.Options{Types: []string{"lamp"}})
	if names := settingSymbols(t, r.Types[0].Images[0].ELF); len(names) == 0 {
		t.Error("the example has no settings")
	}
}
