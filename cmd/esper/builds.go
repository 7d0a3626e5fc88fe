package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"esper/internal/pipeline"
	"esper/internal/watch"
)

// buildsCommand shows what the build server builds.
type buildsCommand struct {
	List  buildsListCommand  `cmd:"" default:"withargs" help:"List the builds, the newest first."`
	Show  buildsShowCommand  `cmd:"" help:"Show all that is known of a build."`
	Log   buildsLogCommand   `cmd:"" help:"Print the log of a build."`
	Start buildsStartCommand `cmd:"" help:"Build a commit now, also again."`
}

// buildsFlags say whose builds.
type buildsFlags struct {
	Data string `placeholder:"DIR" help:"Read the builds in this folder of data, as 'esper watch' leaves them there (default: ask the server)."`
	JSON bool   `name:"json" help:"Print JSON."`
	serverFlags
}

// buildsListCommand lists builds.
type buildsListCommand struct {
	Number int `short:"n" default:"20" placeholder:"N" help:"How many at most."`
	buildsFlags
}

// Run lists the builds.
func (c *buildsListCommand) Run(s *streams) error {
	builds, err := c.list()
	if err != nil {
		return err
	}
	builds = builds[:max(0, min(len(builds), c.Number))]
	if c.JSON {
		return printJSON(s, builds)
	}
	if len(builds) == 0 {
		s.note("nothing was built")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BUILD\tSTATE\tCOMMIT\tSEQUENCE\tQUEUED\tTOOK\tRELEASED\tSUBJECT")
	for _, b := range builds {
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", b.Number, b.State, b.Hash[:8], b.Sequence,
			b.Queued.Local().Format(time.DateTime), took(b), orDash(strings.Join(b.Released(), ",")), b.Subject)
	}
	return w.Flush()
}

// instead implements siteless.
func (f *buildsFlags) instead() string {
	if f.Data != "" {
		return "--data"
	}
	return f.serverFlags.instead()
}

func (f *buildsFlags) list() ([]watch.Build, error) {
	if f.Data != "" {
		return watch.List(watch.BuildsDir(f.Data))
	}
	server, err := f.client()
	if err != nil {
		return nil, err
	}
	return server.Builds(context.Background())
}

// one is one build, of that number or with 0 the newest.
func (f *buildsFlags) one(number int) (watch.Build, error) {
	if number == 0 {
		builds, err := f.list()
		if err != nil {
			return watch.Build{}, err
		}
		if len(builds) == 0 {
			return watch.Build{}, errors.New("nothing was built")
		}
		return builds[0], nil
	}
	if f.Data != "" {
		return watch.Read(watch.BuildsDir(f.Data), number)
	}
	server, err := f.client()
	if err != nil {
		return watch.Build{}, err
	}
	return server.Build(context.Background(), number)
}

// took is how long a build took.
func took(b watch.Build) string {
	if b.Started.IsZero() || b.Ended.IsZero() {
		return "-"
	}
	return b.Ended.Sub(b.Started).Round(10 * time.Millisecond).String()
}

// buildsShowCommand shows one build.
type buildsShowCommand struct {
	Build int `arg:"" optional:"" help:"Its number (default: the newest)."`
	buildsFlags
}

// Run shows the build.
func (c *buildsShowCommand) Run(s *streams) error {
	b, err := c.one(c.Build)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, b)
	}
	return printOneBuild(s.out, b)
}

func printOneBuild(out io.Writer, b watch.Build) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, text)
		}
	}
	line("build", fmt.Sprint(b.Number))
	line("state", string(b.State))
	line("error", b.Error)
	line("commit", b.Hash)
	line("subject", b.Subject)
	line("author", b.Author)
	line("branch", b.Branch)
	if b.Back != "" {
		line("went back from", b.Back)
	}
	line("sequence", fmt.Sprint(b.Sequence))
	line("queued", b.Queued.Local().Format(time.DateTime))
	if !b.Started.IsZero() {
		line("took", took(b))
		line("attempt", fmt.Sprint(b.Attempt))
	}
	for _, o := range b.Types {
		line(o.Type, outcomeText(b, o))
	}
	return w.Flush()
}

func outcomeText(b watch.Build, o pipeline.Outcome) string {
	switch {
	case !slices.Contains(b.Released(), o.Type):
		return "unchanged, stays " + o.Version
	case o.Before == "" || o.Before == o.Version:
		return "released " + o.Version
	}
	return fmt.Sprintf("released %s after %s", o.Version, o.Before)
}

// buildsLogCommand prints a log.
type buildsLogCommand struct {
	Build  int  `arg:"" optional:"" help:"Its number (default: the newest)."`
	Follow bool `short:"f" help:"Go on until the build has ended, and fail if it did."`
	buildsFlags
}

// Help is the command's description.
func (c *buildsLogCommand) Help() string {
	return `Exit codes with --follow: 0 the build has ended well, also if there was nothing to do; 3 it failed or was
refused; 1 that could not be found out. Without it the build does not matter.`
}

// followPause is how often a log is asked for more.
const followPause = 300 * time.Millisecond

// Run prints the log.
func (c *buildsLogCommand) Run(s *streams) error {
	if c.Build == 0 {
		newest, err := c.one(0)
		if err != nil {
			return err
		}
		c.Build = newest.Number
	}
	read := func(offset int64) (watch.LogPart, error) {
		return watch.ReadLog(watch.BuildsDir(c.Data), c.Build, offset)
	}
	if c.Data == "" {
		server, err := c.client()
		if err != nil {
			return err
		}
		read = func(offset int64) (watch.LogPart, error) {
			return server.BuildLog(context.Background(), c.Build, offset)
		}
	}
	for offset := int64(0); ; {
		part, err := read(offset)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(s, part)
		} else {
			_, err = io.WriteString(s.out, part.Text)
		}
		if err != nil {
			return err
		}
		if part.Ended {
			return c.verdict()
		}
		if part.Next == offset {
			if !c.Follow {
				return nil
			}
			time.Sleep(followPause)
		}
		offset = part.Next
	}
}

// verdict is an error if who followed the build should know that it failed.
func (c *buildsLogCommand) verdict() error {
	if !c.Follow {
		return nil
	}
	b, err := c.one(c.Build)
	if err == nil && (b.State == watch.Failed || b.State == watch.Refused) {
		err = &invalidError{fmt.Errorf("build %d: %s", b.Number, b.State)}
	}
	return err
}

// buildsStartCommand starts a build.
type buildsStartCommand struct {
	Commit string `arg:"" optional:"" help:"The commit's hash, or its beginning (default: the newest of the followed branch)."`
	JSON   bool   `name:"json" help:"Print JSON."`
	serverFlags
}

// Run starts the build.
func (c *buildsStartCommand) Run(s *streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	b, err := server.RequestBuild(context.Background(), c.Commit)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, b)
	}
	fmt.Fprintf(s.out, "build %d of %s is queued\n", b.Number, b.Hash[:8])
	return nil
}
