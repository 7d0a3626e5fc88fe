// Package buildtest has what tests and benchmarks of several packages build, and how they compare it.
package buildtest

import (
	"bytes"

	"esper/internal/image"
)

// WithButton is the source of the shipped socket with a button that switches it.
const WithButton = `#include <esper/features/Button.h>
#include <esper/features/OnOffFeature.h>

using namespace esper;

constexpr const char NAME[] = "socket";
constexpr const char BUTTON[] = "button";
constexpr const uint16_t GPIO = 12;
Device device;
OnOffFeature<NAME, GPIO, false, 1> socket(&device);
Button<BUTTON, 0, true> button(&device, toggles(socket));
Device* getDevice() { return &device; }
`

// ChangedSectors returns how many sectors of a slot that holds an image must be erased for another
// image, and how many the other one has.
func ChangedSectors(from, to []byte) (changed, all int) {
	for at := 0; at < len(to); at += image.SectorSize {
		end := min(at+image.SectorSize, len(to))
		if all++; end > len(from) || !bytes.Equal(from[at:end], to[at:end]) {
			changed++
		}
	}
	return changed, all
}
