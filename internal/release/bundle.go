package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"

	"esper/internal/image"
)

// A bundle is a release in one piece, as it goes over the network: multipart/form-data (RFC
// 7578) with three files, version, rom0 and rom1.

// MaxBundle is the largest size of a bundle in bytes.
const MaxBundle = image.Slots*image.SlotSize + MaxVersionFile + 4096

// ErrBundle says that a bundle is malformed.
var ErrBundle = errors.New("not a release in three files: version, rom0 and rom1")

// bundled are the names of the files in a bundle.
var bundled = [1 + image.Slots]string{"version", "rom0", "rom1"}

// Bundle returns the release in one piece, and the content type with the boundary.
func (r *Release) Bundle() (content []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i, file := range [][]byte{r.VersionFile.Marshal(), r.Images[0], r.Images[1]} {
		part, err := w.CreateFormFile(bundled[i], bundled[i])
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(file); err != nil {
			return nil, "", err
		}
	}
	err = w.Close()
	return b.Bytes(), w.FormDataContentType(), err
}

// ParseBundle reads a release of a device type. It checks the version file's form only;
// [Release.Verify] checks the rest. Errors are [ErrBundle], [ErrTooLarge] or [ErrVersionFile].
func ParseBundle(content []byte, contentType, deviceType string) (*Release, error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || parameters["boundary"] == "" {
		return nil, fmt.Errorf("%w, as multipart/form-data", ErrBundle)
	}
	parts := multipart.NewReader(bytes.NewReader(content), parameters["boundary"])
	var files [len(bundled)][]byte
	for i, name := range bundled {
		part, err := parts.NextRawPart()
		if err != nil {
			return nil, fmt.Errorf("%w: %s is missing", ErrBundle, name)
		}
		if part.FormName() != name {
			return nil, fmt.Errorf("%w: %q where %s should be", ErrBundle, part.FormName(), name)
		}
		most := image.SlotSize
		if i == 0 {
			most = 2 * MaxVersionFile // its size is the parser's to judge
		}
		if files[i], err = io.ReadAll(io.LimitReader(part, int64(most)+1)); err != nil {
			return nil, fmt.Errorf("%w: %s breaks off", ErrBundle, name)
		}
		if len(files[i]) > most {
			return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, most)
		}
	}
	if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w, and no more", ErrBundle)
	}
	r := &Release{Type: deviceType, Images: [image.Slots][]byte{files[1], files[2]}}
	if r.VersionFile, err = ParseVersionFile(files[0]); err != nil {
		return nil, err
	}
	return r, nil
}
