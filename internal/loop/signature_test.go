package loop

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/firmware"
	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// The file is that of internal/release, whose test judges it with the verifier of
// the computer. The device's verifier must come to the same verdicts.
const vectorFile = "../release/testdata/signatures.txt"

// random are lines of the same form: keys and texts by chance, every other signature
// with a bit flipped in it. The same in every run.
func random(n int) (lines []string) {
	source := rand.NewChaCha8([32]byte{25, 5, 19})
	draw := rand.New(source)
	for i := range n {
		seed, text := make([]byte, ed25519.SeedSize), make([]byte, draw.IntN(300))
		source.Read(seed)
		source.Read(text)
		key := ed25519.NewKeyFromSeed(seed)
		signature, verdict := ed25519.Sign(key, text), "valid"
		if i%2 == 1 {
			signature[draw.IntN(64)] ^= 1 << draw.IntN(8)
			verdict = "invalid"
		}
		if len(text) == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %x %x %x random %d", verdict, key[32:], text, signature, i))
	}
	return lines
}

// theVectors are the lines of the file.
func theVectors(t *testing.T) (lines []string) {
	t.Helper()
	content, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// vectors returns the verdicts and names of vectors, and their bytes as C++.
func vectors(t *testing.T, lines []string) (verdicts, names []string, source []byte) {
	t.Helper()
	var words []uint32
	for _, line := range lines {
		f := strings.SplitN(line, " ", 5)
		verdicts, names = append(verdicts, f[0]), append(names, f[4])
		for _, text := range f[1:4] {
			data, err := hex.DecodeString(strings.TrimPrefix(text, "-"))
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, uint32(len(data)))
			for data = append(data, 0, 0, 0); len(data) >= 4; data = data[4:] {
				words = append(words, binary.LittleEndian.Uint32(data))
			}
		}
	}
	source = fmt.Appendf(nil, "#pragma once\n#include <stdint.h>\nconst uint32_t VECTOR_WORDS = %d;\nconst uint32_t VECTORS[]\n"+
		"#ifdef __XTENSA__\n__attribute__((section(\".irom.constants.vectors\")))\n#endif\n= {", len(words))
	for _, w := range words {
		source = fmt.Appendf(source, "%#x,", w)
	}
	return verdicts, names, append(source, "};\n"...)
}

var verdictLine = regexp.MustCompile(`(?m)^vector (\d+) (valid|invalid)\r?$`)

// compare checks what a verifier said of all vectors.
func compare(t *testing.T, output string, verdicts, names []string) {
	t.Helper()
	found := verdictLine.FindAllStringSubmatch(output, -1)
	if len(found) != len(verdicts) {
		t.Fatalf("%d verdicts of %d:\n%s", len(found), len(verdicts), tail(output, 2000))
	}
	for i, f := range found {
		if f[1] != fmt.Sprint(i) || f[2] != verdicts[i] {
			t.Errorf("vector %s is %s, not %s: %s", f[1], f[2], verdicts[i], names[i])
		}
	}
}

func TestTheDevicesVerifierJudgesTheVectorsOnTheHost(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ here")
	}
	verdicts, names, source := vectors(t, slices.Concat(theVectors(t), random(400)))
	monocypher, err := build.Monocypher(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vectors.h"), source)
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	object, program := filepath.Join(dir, "Ed25519.o"), filepath.Join(dir, "judge")
	run("g++", "-std=c++17", "-O1", "-I"+monocypher, "-c", "../../firmware/framework/esper/Ed25519.cpp", "-o", object)
	run("g++", "-std=c++17", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-I"+monocypher, "-I"+dir, "-I../../firmware/framework", "-o", program, object,
		"testdata/vectors/host.cpp", "../../firmware/framework/esper/Signature.cpp", "../../firmware/framework/esper/Sha512.cpp",
		"../../firmware/framework/esper/VersionFile.cpp")
	compare(t, run(program), verdicts, names)
}

// Of the vectors, all of which are judged on the host, unless all are wanted a third.
func TestTheDevicesVerifierJudgesTheVectorsInTheEmulator(t *testing.T) {
	t.Parallel()
	verdicts, names, source := vectors(t, some(theVectors(t), 70))
	dir := t.TempDir()
	types, err := fs.Sub(firmware.Files, "devices")
	must(t, err)
	must(t, site.Create(dir, site.Template{Realm: realm, SSID: "net", MQTT: "mqtt://broker:1883",
		UpdateURL: "http://web/firmware", Devices: types, Types: []string{"socket"}}))
	folder := filepath.Join(dir, "devices", "vectors")
	must(t, os.Mkdir(folder, 0o777))
	write(t, filepath.Join(folder, "vectors.h"), source)
	for _, name := range []string{"judge.h", "device.cpp"} {
		content, err := os.ReadFile(filepath.Join("testdata/vectors", name))
		must(t, err)
		write(t, filepath.Join(folder, name), content)
	}
	s, err := site.Open(dir)
	must(t, err)
	var log bytes.Buffer
	built, err := build.Build(context.Background(), s, build.Options{Types: []string{"vectors"},
		Version: &site.Version{Name: "v1", Sequence: 1}, Log: &log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	bootloader, err := os.ReadFile(built.Bootloader)
	must(t, err)
	images, err := release.ReadImages(filepath.Join(dir, site.BuildDir), "vectors")
	must(t, err)
	content, err := image.NewFlash(bootloader, images[0], nil)
	must(t, err)
	flash := esp8266.NewFlash(image.FlashSize)
	must(t, flash.Put(0, content))
	var serial bytes.Buffer
	lab := emulator.NewLab()
	lab.Net.SetAccessPoint(false)
	_, err = lab.Add(emulator.Config{ChipID: 1, Flash: flash, Serial: &serial})
	must(t, err)
	if !lab.RunUntil(func() bool { return strings.Contains(serial.String(), "judged all") }, 5*time.Minute) {
		t.Errorf("not done after five minutes of the chip's time")
	}
	compare(t, serial.String(), verdicts, names)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o666))
}
