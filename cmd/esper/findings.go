package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"esper/internal/image"
)

// print prints a finding for a person.
func (f finding) print(out io.Writer) {
	state := "whole"
	if f.Kind == "delta" {
		state = "its header is right"
	}
	if !f.Whole {
		state = f.Error
		if f.Kind != "nothing known" {
			state = "not whole: " + state
		}
	}
	fmt.Fprintf(out, "%s: %s, %s\n", f.File, f.Kind, state)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	switch d := f.Details.(type) {
	case *imageDetails:
		d.print(w)
	case *standardDetails:
		d.print(w)
	case versionDetails:
		fmt.Fprintf(w, "  version\t%s\n  sequence\t%d\n", d.Version, d.Sequence)
		for slot, signatures := range d.Signatures {
			for _, signature := range signatures {
				fmt.Fprintf(w, "  signature %d\t%s...\n", slot, signature[:16])
			}
		}
		if d.Toolchain != "" {
			fmt.Fprintf(w, "  built with\t%s\n", d.Toolchain)
		}
	case deltaDetails:
		d.print(w)
	case settingsDetails:
		d.print(w)
	case flashDetails:
		d.print(w)
	}
}

func (d deltaDetails) print(w io.Writer) {
	fmt.Fprintf(w, "  from the image\tsha256 %s...\n  makes an image of\t%d bytes\n  sequence\t%d\n", d.Source, d.Target, d.Sequence)
	fmt.Fprintf(w, "  size\t%d bytes, %.1f %% of the image\n", d.Size, d.Percent)
}

func (d *imageDetails) print(w io.Writer) {
	fmt.Fprintf(w, "  device type\t%s\n  version\t%s\n  sequence\t%d\n  slot\t%d\n", d.Type, d.Version, d.Sequence, d.Slot)
	fmt.Fprintf(w, "  size\t%d of %d bytes\n", d.Size, image.SlotSize)
	if d.Link != "" {
		fmt.Fprintf(w, "  linked for\t%s\n", d.Link)
	}
	if d.Standard == nil {
		return
	}
	fmt.Fprintf(w, "  irom\t%d bytes at %#08x\n", d.IROM, image.IROMAddress(d.Slot))
	d.Standard.print(w)
	fmt.Fprintf(w, "  sha256\t%s\n", d.Trailer)
}

func (d *standardDetails) print(w io.Writer) {
	for _, segment := range d.Segments {
		fmt.Fprintf(w, "  segment\t%d bytes at %#08x\n", segment.Size, segment.Address)
	}
	fmt.Fprintf(w, "  entry\t%#08x\n", d.Entry)
}

func (d flashDetails) print(w io.Writer) {
	boots := "nothing"
	if d.Boots >= 0 {
		boots = fmt.Sprintf("slot %d", d.Boots)
	}
	fmt.Fprintf(w, "  boots\t%s\n  bootloader\t%s\n", boots, d.Bootloader)
	if d.Configuration.Whole {
		fmt.Fprintf(w, "  configuration\tslot %d first\n", d.Current)
	} else {
		fmt.Fprintf(w, "  configuration\t%s\n", d.Configuration)
	}
	for i, slot := range d.Slots {
		content := slot.String()
		if slot.Image != nil {
			content = fmt.Sprintf("%s %s, sequence %d, %d bytes, whole",
				slot.Image.Type, slot.Image.Version, slot.Image.Sequence, slot.Image.Size)
		}
		fmt.Fprintf(w, "  slot %d\t%s\n", i, content)
	}
	d.Settings.print(w)
	d.Values.print(w)
	for _, r := range d.Refusals {
		fmt.Fprintf(w, "  rolled back\t%s, sequence %d, %s: not tried again\n", r.Version, r.Sequence, r.Reason)
	}
}

func (p partDetails) String() string {
	if p.Whole {
		return "whole"
	}
	return p.Error
}
