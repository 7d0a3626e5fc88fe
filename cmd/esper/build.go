package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"

	"github.com/google/renameio/v2"

	"esper/internal/board"
	"esper/internal/build"
	"esper/internal/git"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/secret"
	"esper/internal/site"
)

// buildCommand builds firmware.
type buildCommand struct {
	Site    string   `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Type    []string `placeholder:"TYPE" help:"Device type to build; may be repeated (default: all)."`
	Output  string   `placeholder:"DIR" help:"Where to put the images (default: build, in the site)."`
	Release string   `placeholder:"DIR" help:"Put releases into DIR too, not signed yet, for 'esper sign' on the machine with the key."`
	Sizes   bool     `help:"Print what each device type takes of the memories, and how that has changed since the build before."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Help is the command's description.
func (c *buildCommand) Help() string {
	return `Compiles and links every device type of the site for both slots, and packs the images:
TYPE.rom0 and TYPE.rom1, which are flashed and downloaded; TYPE.elf0 and TYPE.elf1 for
debuggers; bootloader.bin. Nothing is signed or published: see 'esper release'. For editors with
clangd, compile_commands.json in the site's folder says how each source is compiled.

--release is for a machine without the signing key: it builds what is committed, and writes images
and manifests into a folder, for 'esper sign' there and 'esper publish --from' anywhere.

The table tells for each device type how much of its slot the larger image fills, and in
bytes the code in flash, the code in RAM (IRAM) and the data in RAM. With --sizes it tells the
size of the image and the RAM that is left for the heap as well, and in parentheses what has
changed since the build that lies in the folder.

What was compiled is kept in a cache (ESPER_CACHE) and only compiled again when it changes.
Monocypher is fetched once with pip, or taken from the folder MONOCYPHER_DIR.`
}

// Run builds the site.
func (c *buildCommand) Run(s *streams) error {
	opened, err := openSite(c.Site)
	if err != nil {
		return err
	}
	var version *site.Version
	if c.Release != "" {
		v, err := committed(opened, "commit")
		if err != nil {
			return err
		}
		version = &v
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var before map[string]build.TypeResult
	if c.Sizes {
		before = build.Sizes(cmp.Or(c.Output, opened.BuildPath()), build.LinkOf(opened))
	}
	result, err := build.Build(ctx, opened, build.Options{Dir: c.Output, Types: c.Type, Version: version, Log: s.err, Editors: true})
	if err != nil {
		return buildHint(err)
	}
	if err := c.writeRelease(result); err != nil {
		return err
	}
	if c.JSON {
		return c.printJSON(s, result)
	}
	if c.Sizes {
		return printSizes(s, result, before)
	}
	return printBuild(s, result)
}

// writeRelease puts what was built into the folder for releases.
func (c *buildCommand) writeRelease(r *build.Result) error {
	if c.Release == "" {
		return nil
	}
	if err := os.MkdirAll(c.Release, 0o700); err != nil {
		return err
	}
	for _, t := range r.Types {
		images, err := release.ReadImages(filepath.Dir(t.Images[0].Path), t.Name)
		if err != nil {
			return err
		}
		if err := release.WriteUnsigned(c.Release, images, r.Toolchain); err != nil {
			return err
		}
	}
	// 'esper publish' tries the releases with it.
	bootloader, err := os.ReadFile(r.Bootloader)
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(c.Release, build.BootloaderFile), bootloader, 0o644)
}

// openSite opens a site, with a hint where there is none.
func openSite(dir string) (*site.Site, error) {
	opened, err := site.Open(dir)
	return opened, siteHint(err)
}

// siteHint adds what to do where there is no site.
func siteHint(err error) error {
	if errors.Is(err, site.ErrNoSite) {
		return hint(err, "'esper init' makes a site")
	}
	return err
}

// buildHint adds what to do about an error of a build.
func buildHint(err error) error {
	var overflow *build.OverflowError
	var large *image.TooLargeError
	var wrong *site.TypeError
	var unknown *board.UnknownError
	switch {
	case errors.Is(err, build.ErrNoCompiler):
		return hint(err, "apt-get install gcc-xtensa-lx106 picolibc-xtensa-lx106-elf")
	case errors.Is(err, build.ErrMonocypher):
		return hint(err, "it takes python3-pip and, once, the internet; or let MONOCYPHER_DIR name a folder with the files of that version")
	case errors.Is(err, build.ErrSDK), errors.Is(err, build.ErrNoSDK):
		return hint(err, "[build] sdk in esper.toml, or %s, names the folder that holds ld and lib of the ESP8266 NONOS SDK 3.0", site.SDKVariable)
	case errors.Is(err, secret.ErrNoIdentity), errors.Is(err, secret.ErrOtherRecipients), errors.Is(err, secret.ErrDamaged):
		return secretHint(err)
	case errors.Is(err, site.ErrNoFleetKey):
		return hint(err, "'esper keygen --fleet' makes one, %s in the site's folder; 'esper secrets set fleet.key' keeps it in the repository, encrypted", site.FleetKeyFile)
	case errors.Is(err, build.ErrNoTypes):
		return hint(err, "a device type is a folder of .cpp files in devices")
	case errors.As(err, &unknown):
		return hint(err, "%s", noBoardHint)
	case errors.As(err, &wrong):
		return hint(err, "mend it; --type TYPE is for another type without it")
	case errors.Is(err, git.ErrShallow):
		return hint(err, "git fetch --unshallow")
	case errors.As(err, &overflow), errors.As(err, &large):
		return hint(err, "xtensa-lx106-elf-nm --size-sort lists what takes the room in the .elf0 of an earlier build")
	}
	return err
}

// printBuild prints the table.
func printBuild(s *streams, r *build.Result) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tVERSION\tSEQUENCE\tSLOT\tCODE\tIRAM\tRAM")
	for _, t := range r.Types {
		i := t.Larger()
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f %%\t%d\t%d\t%d\n",
			t.Name, t.Version, t.Sequence, 100*i.SlotUse(), i.Code, i.IRAM, i.RAM)
	}
	return w.Flush()
}

// printSizes prints the table of --sizes.
func printSizes(s *streams, r *build.Result, before map[string]build.TypeResult) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tIMAGE\tSLOT\tCODE\tIRAM\tRAM\tHEAP")
	for _, t := range r.Types {
		now, was := t.Larger(), t.Larger()
		if b, ok := before[t.Name]; ok {
			was = b.Larger()
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f %%\t%s\t%s\t%s\t%s\n", t.Name, changed(now.Size, was.Size), 100*now.SlotUse(),
			changed(now.Code, was.Code), changed(now.IRAM, was.IRAM), changed(now.RAM, was.RAM), changed(r.Heap(now), r.Heap(was)))
	}
	return w.Flush()
}

// changed is a number with what is different from what it was.
func changed(now, was int) string {
	if now == was {
		return fmt.Sprint(now)
	}
	return fmt.Sprintf("%d (%+d)", now, now-was)
}

// printJSON prints everything there is to know.
func (c *buildCommand) printJSON(s *streams, r *build.Result) error {
	type imageJSON struct {
		Path string `json:"path"`
		ELF  string `json:"elf"`
		Size int    `json:"size"`
		Code int    `json:"code"`
		IRAM int    `json:"iram"`
		RAM  int    `json:"ram"`
		Heap int    `json:"heap"`
	}
	type typeJSON struct {
		Type     string      `json:"type"`
		Version  string      `json:"version"`
		Sequence uint32      `json:"sequence"`
		Images   []imageJSON `json:"images"`
	}
	out := struct {
		Bootloader string     `json:"bootloader"`
		Link       string     `json:"link"` // chip or emulator
		Types      []typeJSON `json:"types"`
	}{Bootloader: r.Bootloader, Link: r.Link.String()}
	for _, t := range r.Types {
		j := typeJSON{Type: t.Name, Version: t.Version, Sequence: t.Sequence}
		for _, i := range t.Images {
			j.Images = append(j.Images, imageJSON{i.Path, i.ELF, i.Size, i.Code, i.IRAM, i.RAM, r.Heap(i)})
		}
		out.Types = append(out.Types, j)
	}
	return printJSON(s, out)
}
