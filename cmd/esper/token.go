package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"esper/internal/access"
)

// tokenCommand makes, shows and removes tokens.
type tokenCommand struct {
	Add    tokenAddCommand    `cmd:"" help:"Make a token, and print it, once."`
	List   tokenListCommand   `cmd:"" help:"Show the tokens there are, not themselves."`
	Remove tokenRemoveCommand `cmd:"" help:"Remove a token; within two seconds it is not good any more."`
}

// Help is the command's description.
func (c *tokenCommand) Help() string {
	return `A token lets a person or a program use a server's API. As long as there is none, the server
answers its own machine only; once there is one, each request needs one. A role says what it is
good for:

  viewer     reads: devices, history, roll-outs, releases
  operator   also acts on roll-outs and devices, and reads the audit log
  publisher  reads, and uploads releases; for the machine that builds

These commands open the server's database, also while it runs; so who can do that decides.
Commands show the token in ESPER_TOKEN, or in the file of --token-file.`
}

// tokenAddCommand makes a token.
type tokenAddCommand struct {
	Name    string      `arg:"" help:"Whose it is, such as ada or ci: a-z, 0-9, - and _."`
	Role    access.Role `required:"" enum:"viewer,operator,publisher" placeholder:"ROLE" help:"viewer, operator or publisher."`
	Expires age         `placeholder:"TIME" help:"For how long it is good, such as 90d or 12h (default: for ever)."`
	JSON    bool        `name:"json" help:"Print JSON, with the token in it."`
	databaseFlags
}

// Run makes the token.
func (c *tokenAddCommand) Run(s *streams) error {
	now := time.Now()
	var expires time.Time
	if c.Expires != 0 {
		expires = now.Add(time.Duration(c.Expires))
	}
	text, token, err := access.NewToken(c.Name, c.Role, now, expires)
	if err != nil {
		return err
	}
	ctx := context.Background()
	to, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	there, err := to.Tokens(ctx)
	if err != nil {
		return err
	}
	err = to.AddToken(ctx, token, whoami())
	if errors.Is(err, access.ErrExists) {
		return hint(err, "'esper token remove %s' removes it", c.Name)
	}
	if err != nil {
		return err
	}
	s.note("this is the token of %s; it is shown only now", c.Name)
	if err := c.show(s, token, text); err != nil {
		undone := to.RemoveToken(ctx, c.Name, whoami())
		if undone != nil {
			return errors.Join(err, hint(undone, "nobody has the token: 'esper token remove %s' removes it", c.Name))
		}
		return fmt.Errorf("there is no new token, since it could not be shown: %w", err)
	}
	if len(there) == 0 {
		s.note("from now on the server's API needs a token from everybody, on its own machine, too")
	}
	return nil
}

// show prints the token. A reader that has gone away must not end the program, as a pipe does by
// default (SIGPIPE), before that is known.
func (c *tokenAddCommand) show(s *streams, token access.Token, text string) error {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	if c.JSON {
		return printJSON(s, struct {
			access.Token
			Text string `json:"token"`
		}{token, text})
	}
	_, err := fmt.Fprintln(s.out, text)
	return err
}

// tokenListCommand shows tokens.
type tokenListCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
	databaseFlags
}

// Run shows the tokens.
func (c *tokenListCommand) Run(s *streams) error {
	ctx := context.Background()
	from, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	tokens, err := from.Tokens(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, tokens)
	}
	if len(tokens) == 0 {
		s.note("there is no token; the server's API answers its own machine only, and all who are on it")
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tMADE\tEXPIRES\tUSED")
	for _, t := range tokens {
		expires := localTime(t.Expires)
		if t.Expired(time.Now()) {
			expires += " (expired)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.Role, localTime(t.Created), expires, localTime(t.Used))
	}
	return w.Flush()
}

// tokenRemoveCommand removes a token.
type tokenRemoveCommand struct {
	Name string `arg:"" help:"The name of the token."`
	Last bool   `help:"Remove it even if it is the last one: the API answers all programs on the server's machine then."`
	databaseFlags
}

// Run removes the token.
func (c *tokenRemoveCommand) Run(s *streams) error {
	ctx := context.Background()
	from, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	tokens, err := from.Tokens(ctx)
	if err != nil {
		return err
	}
	last := len(tokens) == 1 && tokens[0].Name == c.Name
	if last && !c.Last {
		return hint(fmt.Errorf("%s is the last token: without it, the API would answer all programs on the server's machine, a proxy included", c.Name),
			"make another one first, or remove it with --last")
	}
	err = from.RemoveToken(ctx, c.Name, whoami())
	if errors.Is(err, access.ErrNoToken) {
		return hint(err, "'esper token list' shows those there are")
	}
	if err == nil && last {
		s.note("there is no token any more: the API answers all programs on the server's machine, a proxy included")
	}
	return err
}

// whoami is the name of the user, for the audit log.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return "?"
	}
	return u.Username
}

// age is a time span on the command line: 12h, or 90d.
type age time.Duration

// maxAge is the longest time span that makes sense.
const maxAge = 100 * 365 * 24 * time.Hour

// UnmarshalText reads a time span.
func (a *age) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if days, found := strings.CutSuffix(string(text), "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(min(max(n, 0), int(maxAge/time.Hour))) * 24 * time.Hour
	}
	if err != nil || d <= 0 || d > maxAge {
		return fmt.Errorf("%.40q is not a time span such as 12h or 90d", text)
	}
	*a = age(d)
	return nil
}
