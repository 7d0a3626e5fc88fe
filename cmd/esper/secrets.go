package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"esper/internal/secret"
	"esper/internal/site"
	"esper/internal/textfile"
)

// secretsCommand keeps the site's secrets.
type secretsCommand struct {
	Set    secretsSetCommand    `cmd:"" help:"Set a secret: from standard input, or asked for."`
	List   secretsListCommand   `cmd:"" help:"List the names."`
	Edit   secretsEditCommand   `cmd:"" environment:"-" help:"Edit all secrets with $EDITOR."`
	Remove secretsRemoveCommand `cmd:"" help:"Remove a secret."`
	Rekey  secretsRekeyCommand  `cmd:"" environment:"-" help:"Encrypt all anew, after a change of the recipients."`
	Keygen secretsKeygenCommand `cmd:"" environment:"-" help:"Make an age key, which reads secrets."`
}

// Help is the command's description.
func (c *secretsCommand) Help() string {
	return `Keeps passwords and keys in secrets.toml, in the site's repository, encrypted with age for
the recipients in esper.toml. The names can be read, what they stand for cannot:

  wifi.password, wifi.2.password to wifi.4.password (of [[wifi.others]]), mqtt.password (the user stays
  in mqtt.url), signing.key (PEM), fleet.key, devices.key, webhook.secret

lab/wifi.password takes the place of wifi.password in the environment lab. With --environment lab,
'set' and 'remove' mean lab/wifi.password by wifi.password, and 'list' shows what lab uses; 'edit'
and 'rekey' are for the secrets of all environments.

Everybody can set a secret. Reading takes an age key: the file that ESPER_AGE_KEY_FILE names, or
its text in ESPER_AGE_KEY, or ~/.config/esper/age.key. An environment variable goes before the
file: ESPER_WIFI_PASSWORD, ESPER_WIFI_2_PASSWORD, ESPER_MQTT_PASSWORD, ESPER_SIGNING_KEY, ESPER_FLEET_KEY,
ESPER_DEVICES_KEY, ESPER_HOOK_SECRET, or with _FILE behind it the name of a file. See
docs/secrets.md.`
}

// secretsFile is the file of the site that a command is about.
type secretsFile struct {
	Site string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`

	keeping site.Keeping
	*secret.File
}

// open reads it.
func (f *secretsFile) open() (err error) {
	f.keeping, err = site.OpenKeeping(f.Site)
	if err != nil {
		return siteHint(err)
	}
	f.File, err = secret.Load(f.keeping.Path)
	return err
}

// own returns the full name of a secret, which is the environment's if one is chosen.
func (f *secretsFile) own(name string) (string, error) {
	environment, _, named := strings.Cut(name, "/")
	switch chosen := f.keeping.Environment; {
	case chosen == "" || named && environment == chosen:
		return name, nil
	case named:
		return "", hint(fmt.Errorf("%s is a secret of the environment %s, but the chosen one is %s", name, environment, chosen),
			"leave the environment out of the name, or --environment and %s out", site.EnvironmentVariable)
	default:
		return chosen + "/" + name, nil
	}
}

// recipients returns whom to encrypt for.
func (f *secretsFile) recipients() ([]secret.Recipient, error) {
	if len(f.keeping.Recipients) == 0 {
		return nil, hint(errors.New("esper.toml names nobody who may read secrets: secrets.recipients"),
			"'esper secrets keygen' makes a key and prints the recipient for esper.toml: [secrets] recipients = [\"age1...\"]")
	}
	return f.keeping.Recipients, nil
}

// values decrypts all.
func (f *secretsFile) values() (map[string]secret.Value, error) {
	values := map[string]secret.Value{}
	if len(f.Names()) == 0 {
		return values, nil
	}
	identities, err := secret.Identities()
	if err != nil {
		return nil, secretHint(err)
	}
	for _, name := range f.Names() {
		if values[name], err = f.Get(name, identities); err != nil {
			return nil, secretHint(fmt.Errorf("%s: %w", f.keeping.Path, err))
		}
	}
	return values, nil
}

// secretHint adds what to do about a secret that cannot be read.
func secretHint(err error) error {
	switch {
	case errors.Is(err, secret.ErrNoIdentity):
		return hint(err, "%s names the file with the age key, %s has its text; or give the secret itself in a variable: 'esper secrets --help'",
			secret.KeyFileVariable, secret.KeyVariable)
	case errors.Is(err, secret.ErrOtherRecipients):
		return hint(err, "who has such a key adds yours to secrets.recipients in esper.toml, then 'esper secrets rekey'")
	case errors.Is(err, secret.ErrDamaged):
		return hint(err, "take secrets.toml from git, or set this secret again")
	}
	return err
}

// secretsSetCommand sets a secret.
type secretsSetCommand struct {
	Name string `arg:"" help:"Which one, such as wifi.password."`
	secretsFile
}

// Run sets it.
func (c *secretsSetCommand) Run(s *streams) error {
	if err := site.CheckSecretName(c.Name); err != nil { // before it is asked for
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	name, err := c.own(c.Name)
	if err != nil {
		return err
	}
	recipients, err := c.recipients()
	if err != nil {
		return err
	}
	value, err := readSecret(s, name)
	if err != nil {
		return err
	}
	if err := site.CheckSecret(name, value); err != nil {
		return err
	}
	if err := c.File.Set(name, value, recipients); err != nil {
		return err
	}
	if err := c.Write(c.keeping.Path); err != nil {
		return err
	}
	if environment, _, named := strings.Cut(name, "/"); named && !slices.Contains(c.keeping.Environments, environment) {
		s.note("warning: esper.toml has no environment %s, so nothing uses %s", environment, name)
	}
	s.note("set %s in %s; commit it", name, c.keeping.Path)
	return nil
}

// readSecret reads a secret from standard input: all of it but a newline at its end, or
// at a terminal one line that is not shown.
func readSecret(s *streams, name string) (secret.Value, error) {
	if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(s.err, "%s (not shown): ", name)
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(s.err)
		return secret.Value(line), err
	}
	text, err := io.ReadAll(io.LimitReader(s.in, secret.MaxValue+2))
	text = textfile.WithoutMark(text)
	return secret.Value(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))), err
}

// secretsListCommand lists names.
type secretsListCommand struct {
	secretsFile
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists them.
func (c *secretsListCommand) Run(s *streams) error {
	if err := c.open(); err != nil {
		return err
	}
	names := c.used()
	if c.JSON {
		return printJSON(s, append([]string{}, names...))
	}
	if len(names) == 0 {
		s.note("no secrets in %s", c.keeping.Path)
	}
	for _, name := range names {
		fmt.Fprintln(s.out, name)
	}
	return nil
}

// used returns the names of the secrets that the environment uses, or without one, of all.
func (c *secretsListCommand) used() []string {
	environment := c.keeping.Environment
	return slices.DeleteFunc(c.Names(), func(name string) bool {
		of, _, named := strings.Cut(name, "/")
		return environment != "" && (named && of != environment || !named && c.Has(environment+"/"+name))
	})
}

// secretsRemoveCommand removes a secret.
type secretsRemoveCommand struct {
	Name string `arg:"" help:"Which one."`
	secretsFile
}

// Run removes it.
func (c *secretsRemoveCommand) Run(s *streams) error {
	if err := c.open(); err != nil {
		return err
	}
	name, err := c.own(c.Name)
	if err != nil {
		return err
	}
	if !c.Has(name) {
		return hint(fmt.Errorf("%s: %s: %w", c.keeping.Path, name, secret.ErrNone), "'esper secrets list' lists those that there are")
	}
	c.File.Remove(name)
	if err := c.Write(c.keeping.Path); err != nil {
		return err
	}
	s.note("removed %s; git still has what it was, for who can read it: change the secret itself, too", name)
	return nil
}

// secretsRekeyCommand encrypts all anew.
type secretsRekeyCommand struct{ secretsFile }

// Run encrypts them.
func (c *secretsRekeyCommand) Run(s *streams) error {
	if err := c.open(); err != nil {
		return err
	}
	recipients, err := c.recipients()
	if err != nil {
		return err
	}
	values, err := c.values()
	if err != nil {
		return err
	}
	for name, value := range values {
		if err := c.File.Set(name, value, recipients); err != nil {
			return err
		}
	}
	if err := c.Write(c.keeping.Path); err != nil {
		return err
	}
	s.note("encrypted %d secrets for %d recipients", len(values), len(recipients))
	return nil
}

// secretsEditCommand lets a person edit all secrets.
type secretsEditCommand struct{ secretsFile }

// Help is the command's description.
func (c *secretsEditCommand) Help() string {
	return `Opens all secrets, decrypted, with $VISUAL or $EDITOR: name = "text", one a line. What comes
back is checked and encrypted; if nothing changed, nothing is written. The text lies in a file for
your eyes only while the editor runs (in XDG_RUNTIME_DIR, where that is memory), and is removed
after it. Comments are not kept.`
}

// Run lets them be edited.
func (c *secretsEditCommand) Run(s *streams) error {
	if err := c.open(); err != nil {
		return err
	}
	recipients, err := c.recipients()
	if err != nil {
		return err
	}
	before, err := c.values()
	if err != nil {
		return err
	}
	after, err := editSecrets(s, before)
	if err != nil {
		return err
	}
	if maps.Equal(before, after) {
		s.note("unchanged")
		return nil
	}
	var done []string // is said when it is written
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; !stays {
			c.File.Remove(name)
			done = append(done, "removed "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if value := after[name]; value != before[name] {
			if err := c.File.Set(name, value, recipients); err != nil {
				return err
			}
			done = append(done, "set "+name)
		}
	}
	if err := c.Write(c.keeping.Path); err != nil {
		return err
	}
	for _, what := range done {
		s.note("%s", what)
	}
	return nil
}

// secretsKeygenCommand makes an age key.
type secretsKeygenCommand struct {
	Path string `arg:"" optional:"" help:"Where to put it (default: ~/.config/esper/age.key)."`
}

// Help is the command's description.
func (c *secretsKeygenCommand) Help() string {
	return `Makes an age key, as age-keygen does, and prints its recipient, which belongs into esper.toml:

  [secrets]
  recipients = ["age1..."]

The file stays on this machine; ESPER_AGE_KEY_FILE names it if it lies elsewhere than the default.
One for you and one for the build server, both among the recipients, is a good beginning. A key is
never overwritten.`
}

// Run makes it.
func (c *secretsKeygenCommand) Run(s *streams) error {
	path := c.Path
	if path == "" {
		var err error
		if path, err = secret.KeyFile(); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	recipient, err := secret.WriteIdentity(path)
	if errors.Is(err, fs.ErrExist) {
		return hint(err, "a key is never overwritten; give another name: esper secrets keygen PATH")
	}
	if err != nil {
		return err
	}
	s.note("%s: the age key; keep it secret, keep a copy, keep it out of git", path)
	fmt.Fprintln(s.out, recipient)
	return nil
}
