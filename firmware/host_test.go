package firmware_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The framework's sources that know nothing of the chip, or only of its flash.
var sources = []string{
	"Blocked", "BootConfiguration", "Calendar", "Clock", "Connection", "Entries", "Flash", "HttpResponse", "Journal",
	"JsonValue", "MqttPacket", "PersistedValues", "Record", "Refusal", "SettingsFile", "Sha256", "Sha512",
	"Store", "Timer", "UpdateError", "VersionFile", "features/CoverCommand", "features/LightState", "features/Options",
	"features/Printable",
}

// The tests themselves are in test/, in C++.
func TestParsersOnTheHost(t *testing.T) {
	compiler, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("no g++ here to compile the tests with")
	}
	tests, err := filepath.Glob("test/*.cpp")
	if err != nil {
		t.Fatal(err)
	}
	dependOnSources(t)
	program := filepath.Join(t.TempDir(), "tests")
	args := []string{
		"-std=c++17", "-O0", "-g", "-Wall", "-Wextra", "-Werror",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-Iframework", "-Isdk", "-o", program,
	}
	args = append(append(args, "-I.", "fuzz/sealing.cpp"), tests...)
	for _, name := range sources {
		args = append(args, "framework/esper/"+name+".cpp")
	}
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("g++: %v\n%s", err, out)
	}
	out, err := exec.Command(program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
