package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"esper/internal/image"
	"esper/internal/site"
)

// ErrSDK says that a folder does not hold the vendor's SDK.
var ErrSDK = errors.New("not a copy of the vendor's NONOS SDK")

// ErrNoSDK says that a link for the chip lacks the vendor's SDK.
var ErrNoSDK = errors.New("no vendor's SDK is named")

// sdkLibraries are the vendor's archives that a station with TCP needs.
var sdkLibraries = []string{
	"libmain.a", "libnet80211.a", "libwpa.a", "libwpa2.a", "libwps.a", "libcrypto.a",
	"liblwip.a", "libpp.a", "libphy.a",
}

// sdkFunctions is the vendor's list of the mask ROM's functions.
const sdkFunctions = "ld/eagle.rom.addr.v6.ld"

// checkSDK returns an error if a folder lacks what the link needs of the SDK, else
// a text that changes with it.
func checkSDK(dir string) (identity string, err error) {
	for _, path := range sdkFiles(dir) {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no file", path)
		}
		if err != nil {
			return "", fmt.Errorf("%s is %w: %w", dir, ErrSDK, err)
		}
		identity += fmt.Sprintf("%s %d %d\n", filepath.Base(path), info.Size(), info.ModTime().UnixNano())
	}
	return identity, nil
}

// SDK returns what the vendor's SDK in a folder calls itself, or an [ErrSDK].
func SDK(dir string) (version string, err error) {
	if _, err := checkSDK(dir); err != nil {
		return "", err
	}
	return sdkVersion(dir), nil
}

// sdkFiles returns the paths of all that the link needs of the SDK.
func sdkFiles(dir string) []string {
	paths := []string{filepath.Join(dir, sdkFunctions)}
	for _, name := range sdkLibraries {
		paths = append(paths, filepath.Join(dir, "lib", name))
	}
	return paths
}

// LinkOf returns what a site is built for.
func LinkOf(s *site.Site) image.Link { return linkOf(s.Config.SDK) }

func linkOf(sdk string) image.Link {
	if sdk != "" {
		return image.LinkChip
	}
	return image.LinkEmulator
}

// platform is what the builder links for.
func (b *builder) platform() image.Link { return linkOf(b.sdk) }

// target says what the builder links for.
func (b *builder) target() string {
	if b.sdk == "" {
		return fmt.Sprintf("the emulator; [build] sdk in %s, or %s, names the vendor's SDK to build for the chip",
			site.ConfigFile, site.SDKVariable)
	}
	return fmt.Sprintf("the chip, SDK %s in %s", sdkVersion(b.sdk), b.sdk)
}

// sdkVersions finds what a version of the vendor's SDK calls itself: number and commit.
var sdkVersions = regexp.MustCompile(`\d+\.\d+\.\d+[-.a-z0-9]*\([0-9a-f]{7,}\)`)

// sdkVersion returns what the vendor's SDK calls itself, which firmware reports, too.
func sdkVersion(dir string) string {
	library, err := os.ReadFile(filepath.Join(dir, "lib", "libmain.a"))
	if found := sdkVersions.Find(library); err == nil && found != nil {
		return string(found)
	}
	return "of unknown version"
}

// platformSources are the sources that are compiled for this link only.
func (b *builder) platformSources() []string {
	if b.sdk != "" {
		return []string{"link/chip_library.c", "link/seam.S"}
	}
	return []string{"link/emulator_start.S"}
}

// platformScripts bind what the framework calls and no library has: for the chip
// the functions of its mask ROM, for the emulator the SDK's too.
func (b *builder) platformScripts() []string {
	if b.sdk != "" {
		// Nothing names the vendor's exception vectors, so that the ROM's would be taken.
		return []string{
			"-T", filepath.Join(b.sdk, sdkFunctions),
			"-Wl,-u,_DebugExceptionVector", "-Wl,-u,_DoubleExceptionVector", "-Wl,-u,_KernelExceptionVector",
			"-Wl,-u,_NMIExceptionVector", "-Wl,-u,_UserExceptionVector",
		}
	}
	return []string{
		"-T", filepath.Join(b.sources, "link", "gates.ld"),
		"-T", filepath.Join(b.sources, "link", "rom.ld"),
	}
}

// platformLibraries are the vendor's archives, for the chip.
func (b *builder) platformLibraries() []string {
	if b.sdk == "" {
		return nil
	}
	return sdkFiles(b.sdk)[1:] // behind the list of the ROM's functions
}
