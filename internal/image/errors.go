package image

import (
	"errors"
	"fmt"
)

// The reasons why something is not whole. Errors of this package wrap one of
// them, with the details in the text.
var (
	ErrTruncated     = errors.New("truncated")
	ErrTrailingData  = errors.New("data after the end")
	ErrMagic         = errors.New("bad magic")
	ErrFormat        = errors.New("unknown format version")
	ErrHeader        = errors.New("malformed header")
	ErrDeviceType    = errors.New("malformed device type")
	ErrVersion       = errors.New("malformed version")
	ErrDescriptor    = errors.New("malformed descriptor")
	ErrSlot          = errors.New("wrong slot")
	ErrSize          = errors.New("impossible size")
	ErrSegment       = errors.New("bad segment")
	ErrChecksum      = errors.New("wrong checksum")
	ErrTrailer       = errors.New("trailer does not match: the content is damaged")
	ErrErased        = errors.New("erased")
	ErrConfiguration = errors.New("unreadable boot configuration")
	ErrRTCRecord     = errors.New("invalid RTC record")
)

// TooLargeError says that something outgrew its place in flash. Sizes in bytes.
type TooLargeError struct {
	What      string
	Size, Max int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s too large: %d bytes, %d more than the %d that fit",
		e.What, e.Size, e.Size-e.Max, e.Max)
}

// wrong adds details to one of the reasons above.
func wrong(reason error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", reason, fmt.Sprintf(format, args...))
}
