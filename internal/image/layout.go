// Package image holds the formats that lie in a device's flash: the layout, slot
// images with descriptor and trailer, the bootloader's image, the boot
// configuration, and the dump of a whole flash. docs/SPEC.md, sections 1 to 3,
// says what the bits mean.
package image

// The layout of the flash: addresses and sizes in bytes (SPEC 1).
const (
	FlashSize = 0x100000

	// MaxFlashSize is the size of the largest chip, of which the first FlashSize bytes are used.
	MaxFlashSize = 16 << 20
	SectorSize   = 0x1000

	BootloaderAddress = 0x000000
	BootloaderSize    = 0x1000

	BootConfigurationAddress = 0x001000

	SlotSize     = 0x79000
	Slot0Address = 0x002000
	Slot1Address = 0x082000

	// Settings (SPEC 12): the device's store of two sectors, those on trial in one sector, and the
	// store of the device type's own settings, two sectors.
	SettingsAddress  = 0x07B000
	CandidateAddress = 0x07D000
	ValuesAddress    = 0x07E000
	StoreSize        = 2 * SectorSize

	ApplicationDataAddress = 0x080000
	ApplicationDataSize    = 0x2000

	SDKAddress              = 0x0FB000 // the vendor SDK's sectors, to the end
	RFCalibrationAddress    = 0x0FB000
	PHYDataAddress          = 0x0FC000
	SystemParametersAddress = 0x0FD000
)

// DescriptorAt is where an image's descriptor lies, in bytes from its start.
const DescriptorAt = headerSize

// Slots is the number of slots.
const Slots = 2

// Memory addresses that images are linked for (SPEC 1, 2.2). The ends are the
// first address after the range.
const (
	MappedFlash = 0x40200000

	DRAMStart = 0x3FFE8000
	DRAMEnd   = 0x3FFFA000
	IRAMStart = 0x40100000
	IRAMEnd   = 0x40108000
)

// SlotAddress returns the flash address of slot 0 or 1.
func SlotAddress(slot int) uint32 {
	return [Slots]uint32{Slot0Address, Slot1Address}[slot]
}

// IROMAddress returns the memory address that the irom part of a slot's image is
// linked at: behind the image's header, in the mapped flash.
func IROMAddress(slot int) uint32 {
	return MappedFlash + SlotAddress(slot) + headerSize
}
