package image

// Flash is what lies in a device's flash. Where something is not right, its
// error says why, and the rest is there all the same.
type Flash struct {
	Bootloader      *Standard // nil if BootloaderError
	BootloaderError error

	Configuration      BootConfiguration
	ConfigurationError error
	Refusals           []Refusal // releases that the device does not try again

	Slots [Slots]Slot
}

// Slot is the content of a slot: an image, or the reason why there is none
// ([ErrErased] if there never was).
type Slot struct {
	Image *Image
	Error error
}

// NewFlash returns the content of a flash, 1 MB, that boots slot 0 first. Without
// rom0 or rom1 (nil) that slot stays erased. What does not fit its place is a
// [TooLargeError].
func NewFlash(bootloader, rom0, rom1 []byte) ([]byte, error) {
	b := make([]byte, FlashSize)
	for i := range b {
		b[i] = 0xFF
	}
	for _, part := range []struct {
		what    string
		address int
		max     int
		content []byte
	}{
		{"bootloader", BootloaderAddress, BootloaderSize, bootloader},
		{"boot configuration", BootConfigurationAddress, SectorSize, BootConfiguration{}.Marshal()},
		{"image for slot 0", Slot0Address, SlotSize, rom0},
		{"image for slot 1", Slot1Address, SlotSize, rom1},
	} {
		if len(part.content) > part.max {
			return nil, &TooLargeError{part.what, len(part.content), part.max}
		}
		copy(b[part.address:], part.content)
	}
	return b, nil
}

// ParseFlash reads the content of a flash. Only another size than 1 MB is an
// error; what is in it stands in the result, which refers to b.
func ParseFlash(b []byte) (*Flash, error) {
	if len(b) != FlashSize {
		return nil, wrong(ErrSize, "%d bytes, but a flash has %d", len(b), FlashSize)
	}
	f := &Flash{}
	if sector := b[:BootloaderSize]; erased(sector) {
		f.BootloaderError = ErrErased
	} else {
		f.Bootloader, _, f.BootloaderError = ParseStandard(sector)
	}
	f.Configuration, f.ConfigurationError = ParseBootConfiguration(b[BootConfigurationAddress:])
	f.Refusals = ParseRefusals(b[BootConfigurationAddress:])
	for i := range f.Slots {
		address := SlotAddress(i)
		f.Slots[i].Image, f.Slots[i].Error = ParseSlot(b[address:address+SlotSize], i)
	}
	return f, nil
}

// Boots returns the slot that the bootloader boots (SPEC 4), or -1 if there is
// none.
func (f *Flash) Boots() int {
	if f.Bootloader == nil {
		return -1
	}
	first := f.Configuration.Current
	if f.ConfigurationError != nil {
		first = 0
		a, b := f.Slots[0].Image, f.Slots[1].Image
		if a != nil && b != nil && b.Descriptor.Sequence > a.Descriptor.Sequence {
			first = 1
		}
	}
	for _, slot := range []int{first, 1 - first} {
		if f.Slots[slot].Image != nil {
			return slot
		}
	}
	return -1
}
