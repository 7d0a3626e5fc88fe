package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrSDK says that a folder does not hold the vendor's SDK.
var ErrSDK = errors.New("not a copy of the vendor's NONOS SDK")

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
	needed := []string{sdkFunctions}
	for _, name := range sdkLibraries {
		needed = append(needed, "lib/"+name)
	}
	for _, name := range needed {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrSDK, err)
		}
		identity += fmt.Sprintf("%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	return identity, nil
}

// platformSource is the one source that is compiled for this link only.
func (b *builder) platformSource() string {
	if b.sdk != "" {
		return "link/chip_library.c"
	}
	return "link/emulator_start.S"
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
	var paths []string
	for _, name := range sdkLibraries {
		paths = append(paths, filepath.Join(b.sdk, "lib", name))
	}
	return paths
}
