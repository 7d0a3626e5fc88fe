package release

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"esper/internal/image"
)

// The extension of a manifest: the texts that are to be signed for slots 0 and 1, one
// after the other, of a release that was built where the key is not (SPEC 5).
const manifestExtension = ".manifest"

// maxManifest is the largest size of a manifest in bytes.
const maxManifest = 1024

// ErrManifest says that images are not those that were built.
var ErrManifest = errors.New("the images are not those of the manifest")

// ManifestName returns the name of a device type's manifest.
func ManifestName(deviceType string) string { return deviceType + manifestExtension }

// WriteUnsigned writes the images of a device type and their manifest into a folder, for
// [SignFolder], with what the compiler calls itself. A version file of an earlier release is removed.
func WriteUnsigned(dir string, images [image.Slots][]byte, toolchain string) error {
	r, texts, err := unsigned(images)
	if err != nil {
		return err
	}
	for _, name := range []string{VersionFileName(r.Type), ManifestName(r.Type)} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeImages(dir, r.Type, images); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, ManifestName(r.Type)), manifest(texts, toolchain), 0o644)
}

// manifest returns the manifest with the texts to be signed.
func manifest(texts [image.Slots][]byte, toolchain string) []byte {
	text := bytes.Join(texts[:], nil)
	if toolchain = ToolchainText(toolchain); toolchain != "" {
		text = fmt.Appendf(text, "%s %s\n", toolchainKey, toolchain)
	}
	return text
}

// ListUnsigned returns the device types that have a manifest in a folder, sorted.
func ListUnsigned(dir string) ([]string, error) { return list(dir, manifestExtension) }

// SignFolder checks that images in a folder are whole, belong to the device type and to
// each other, and are those of the manifest, and signs them by one to [MaxSigners] keys.
// It writes nothing: see [Release.Write].
func SignFolder(dir, deviceType string, private ...ed25519.PrivateKey) (*Release, error) {
	if err := image.CheckDeviceType(deviceType); err != nil {
		return nil, err
	}
	found, err := readFile(filepath.Join(dir, ManifestName(deviceType)), maxManifest)
	if err != nil {
		return nil, err
	}
	images, err := ReadImages(dir, deviceType)
	if err != nil {
		return nil, err
	}
	r, texts, err := unsigned(images)
	if err != nil {
		return nil, err
	}
	if r.Type != deviceType {
		return nil, fmt.Errorf("%w: %s, not %s", ErrWrongDevice, r.Type, deviceType)
	}
	// Of the manifest the toolchain alone is not known yet: with it all must be as it was written.
	_, toolchain, _ := strings.Cut(strings.TrimSuffix(string(found), "\n"), "\n"+toolchainKey+" ")
	if !bytes.Equal(found, manifest(texts, toolchain)) {
		return nil, ErrManifest
	}
	if r, err = Sign(images, private...); err == nil {
		r.Toolchain = toolchain
	}
	return r, err
}
