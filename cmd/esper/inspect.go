package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"esper/internal/delta"
	"esper/internal/image"
	"esper/internal/release"
)

// finding is what a file turns out to be. Details is one of the types below.
type finding struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Whole   bool   `json:"whole"`
	Error   string `json:"error,omitempty"`
	Details any    `json:"details,omitempty"`
}

type imageDetails struct {
	Type     string           `json:"type"`
	Version  string           `json:"version"`
	Sequence uint32           `json:"sequence"`
	Slot     int              `json:"slot"`
	Size     int              `json:"size"`
	Link     string           `json:"link,omitempty"` // chip or emulator; of a damaged image what its mark says
	IROM     int              `json:"irom,omitempty"`
	Trailer  string           `json:"sha256,omitempty"`
	Standard *standardDetails `json:"ram,omitempty"`
}

type standardDetails struct {
	Entry    uint32           `json:"entry"`
	Segments []segmentDetails `json:"segments"`
}

type segmentDetails struct {
	Address uint32 `json:"address"`
	Size    int    `json:"size"`
}

type versionDetails struct {
	Version    string                `json:"version"`
	Sequence   uint32                `json:"sequence"`
	Signatures [image.Slots][]string `json:"signatures"` // by slot
	Toolchain  string                `json:"toolchain,omitempty"`
}

type deltaDetails struct {
	Source   string  `json:"source"`   // the beginning of the SHA-256 of the image that it is applied to
	Target   int     `json:"target"`   // size of the image that it makes
	Sequence uint32  `json:"sequence"` // of that image
	Size     int     `json:"size"`     // of the delta
	Percent  float64 `json:"percent"`  // of the image's size
}

type flashDetails struct {
	Boots         int         `json:"boots"` // slot, or -1
	Bootloader    partDetails `json:"bootloader"`
	Configuration partDetails `json:"configuration"`
	Current       int         `json:"current"`
	Slots         []slotPart  `json:"slots"`
	Refusals      []refusal   `json:"refusals,omitempty"`

	Settings *storeDetails  `json:"settings,omitempty"` // nil: there are none
	Values   *valuesDetails `json:"values,omitempty"`   // nil: there are none
}

// refusal is a release that the device does not try again.
type refusal struct {
	Version  string `json:"version"`
	Sequence uint32 `json:"sequence"`
	Reason   string `json:"reason"`
}

type partDetails struct {
	Whole bool   `json:"whole"`
	Error string `json:"error,omitempty"`
}

type slotPart struct {
	partDetails
	Image *imageDetails `json:"image,omitempty"`
}

// inspect tells from its content what a file is. The keys are the fleet's; there may be none.
func inspect(content []byte, keys ...[]byte) finding {
	switch {
	case len(content) == 0:
		return finding{Kind: "nothing known", Error: "empty"}
	case len(content) >= image.FlashSize && len(content) <= image.MaxFlashSize && len(content)&(len(content)-1) == 0:
		return inspectFlash(content[:image.FlashSize])
	case len(content) > image.FlashSize:
		return finding{Kind: "nothing known", Error: "not a flash of 1, 2, 4, 8 or 16 MB"}
	case bytes.HasPrefix(content, []byte("ESPd")):
		return inspectDelta(content)
	case bytes.HasPrefix(content, []byte("ESPS")):
		return inspectSettings(content, keys)
	case content[0] == 0xEA:
		return inspectImage(content)
	case content[0] == 0xE9:
		return inspectBootloader(content)
	case !bytes.ContainsFunc(content, func(c rune) bool { return c > '~' || c < ' ' && c != '\n' && c != '\r' }):
		return inspectVersionFile(content)
	}
	return finding{Kind: "nothing known", Error: fmt.Sprintf("%d bytes that begin with %#02x", len(content), content[0])}
}

func inspectImage(content []byte) finding {
	f := finding{Kind: "image"}
	parsed, err := image.Parse(content)
	if err == nil {
		f.Whole, f.Details = true, describe(parsed)
		return f
	}
	f.Error = err.Error()
	if len(content) > image.DescriptorAt { // a damaged image may still have a name
		if d, err := image.ParseDescriptor(content[image.DescriptorAt:]); err == nil {
			f.Details = describeDescriptor(d)
		}
	}
	return f
}

func inspectBootloader(content []byte) finding {
	f := finding{Kind: "bootloader"}
	parsed, size, err := image.ParseStandard(content)
	switch {
	case err != nil:
		f.Error = err.Error()
		return f
	case size != len(content):
		f.Error = fmt.Sprintf("%d bytes after its end", len(content)-size)
	case size > image.BootloaderSize:
		f.Error = (&image.TooLargeError{What: "bootloader", Size: size, Max: image.BootloaderSize}).Error()
	}
	f.Whole, f.Details = f.Error == "", describeStandard(*parsed)
	return f
}

func inspectVersionFile(content []byte) finding {
	f := finding{Kind: "version file"}
	parsed, err := release.ParseVersionFile(content)
	if err != nil {
		f.Error = err.Error()
		return f
	}
	details := versionDetails{Version: parsed.Version, Sequence: parsed.Sequence, Toolchain: parsed.Toolchain}
	for slot, signatures := range parsed.Signatures {
		for _, signature := range signatures {
			details.Signatures[slot] = append(details.Signatures[slot], hex.EncodeToString(signature[:]))
		}
	}
	f.Whole, f.Details = true, details
	return f
}

// inspectDelta reads the header of a delta: what comes behind it says something only together with the
// image that it is applied to.
func inspectDelta(content []byte) finding {
	f := finding{Kind: "delta"}
	header, err := delta.ParseHeader(content)
	if err != nil {
		f.Error = err.Error()
		return f
	}
	f.Whole = true
	f.Details = deltaDetails{
		Source: hex.EncodeToString(header.Source[:]), Target: header.Size, Sequence: header.Sequence, Size: len(content),
		Percent: math.Round(1000*float64(len(content))/float64(header.Size)) / 10,
	}
	return f
}

func inspectFlash(content []byte) finding {
	f := finding{Kind: "flash"}
	parsed, err := image.ParseFlash(content)
	if err != nil {
		f.Error = err.Error()
		return f
	}
	details := flashDetails{
		Boots:         parsed.Boots(),
		Bootloader:    part(parsed.BootloaderError),
		Configuration: part(parsed.ConfigurationError),
		Current:       parsed.Configuration.Current,
		Settings:      inspectStore(content),
		Values:        inspectValues(content),
	}
	for _, r := range parsed.Refusals {
		details.Refusals = append(details.Refusals, refusal(r))
	}
	var damaged []string
	if !details.Bootloader.Whole {
		damaged = append(damaged, "bootloader")
	}
	if !details.Configuration.Whole {
		damaged = append(damaged, "boot configuration")
	}
	for i, slot := range parsed.Slots {
		p := slotPart{partDetails: part(slot.Error)}
		if slot.Image != nil {
			p.Image = describe(slot.Image)
		} else if slot.Error != image.ErrErased {
			damaged = append(damaged, fmt.Sprintf("slot %d", i))
		}
		details.Slots = append(details.Slots, p)
	}
	if details.Settings != nil && !details.Settings.Whole {
		damaged = append(damaged, "settings")
	}
	switch {
	case len(damaged) > 0:
		f.Error = "damaged or missing: " + strings.Join(damaged, ", ")
	case details.Boots < 0:
		f.Error = "no image to boot"
	}
	f.Whole, f.Details = f.Error == "", details
	return f
}

func part(err error) partDetails {
	if err != nil {
		return partDetails{Error: err.Error()}
	}
	return partDetails{Whole: true}
}

func describe(i *image.Image) *imageDetails {
	d := describeDescriptor(i.Descriptor)
	d.Link = i.Link().String()
	d.IROM, d.Trailer = len(i.IROM), hex.EncodeToString(i.Trailer[:])
	d.Standard = describeStandard(i.Standard)
	return d
}

func describeDescriptor(d image.Descriptor) *imageDetails {
	details := &imageDetails{Type: d.DeviceType, Version: d.Version, Sequence: d.Sequence, Slot: d.Slot, Size: d.Size}
	if d.Link != image.LinkUnmarked {
		details.Link = d.Link.String()
	}
	return details
}

func describeStandard(s image.Standard) *standardDetails {
	d := &standardDetails{Entry: s.Entry}
	for _, segment := range s.Segments {
		d.Segments = append(d.Segments, segmentDetails{segment.Addr, len(segment.Data)})
	}
	return d
}
