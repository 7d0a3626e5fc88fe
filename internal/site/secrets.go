package site

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/secret"
)

// SecretsFile is the name of the site's encrypted secrets.
const SecretsFile = "secrets.toml"

// The names of secrets. In the file, "lab/wifi.password" takes the place of
// "wifi.password" in the environment lab.
const (
	WiFiPassword  = "wifi.password"
	MQTTPassword  = "mqtt.password"
	SigningKey    = "signing.key" // PEM
	WebhookSecret = "webhook.secret"
)

// knownSecrets are the secrets that there are. The variable gives the secret itself;
// with _FILE behind it, the name of a file with it.
var knownSecrets = []struct {
	name, variable string
	check          func(text string) error // never quotes the text
}{
	{WiFiPassword, "ESPER_WIFI_PASSWORD", func(text string) error {
		_, err := checkWiFi("any", text)
		return err
	}},
	{MQTTPassword, "ESPER_MQTT_PASSWORD", func(text string) error { return checkLine(MQTTPassword, text, 1, maxUser) }},
	{SigningKey, "ESPER_SIGNING_KEY", func(text string) error {
		_, err := release.ParsePrivateKey(SigningKey, []byte(text))
		return err
	}},
	{WebhookSecret, "ESPER_HOOK_SECRET", func(text string) error { return checkLine(WebhookSecret, text, 16, 256) }},
}

// PasswordVariable is the environment variable of the WiFi password.
const PasswordVariable = "ESPER_WIFI_PASSWORD"

// checkLine accepts text of one line.
func checkLine(name, text string, min, max int) error {
	switch {
	case len(text) < min:
		return fmt.Errorf("%s: shorter than %d bytes", name, min)
	case len(text) > max:
		return fmt.Errorf("%s: longer than %d bytes", name, max)
	case control(text):
		return fmt.Errorf("%s: has control characters", name)
	}
	return nil
}

// CheckSecret checks the name of a secret in the file, and whether the text can be one.
// No error quotes the text.
func CheckSecret(name string, v Secret) error {
	if err := CheckSecretName(name); err != nil {
		return err
	}
	if v == "" {
		return fmt.Errorf("%s: empty", name)
	}
	if !utf8.ValidString(v.Reveal()) {
		return fmt.Errorf("%s: not UTF-8 text", name)
	}
	_, base, inEnvironment := strings.Cut(name, "/")
	if !inEnvironment {
		base = name
	}
	for _, known := range knownSecrets {
		if known.name == base {
			return known.check(v.Reveal())
		}
	}
	return nil
}

// CheckSecretName checks the name of a secret in the file: one of those that there are,
// perhaps with an environment in front.
func CheckSecretName(name string) error {
	environment, base, inEnvironment := strings.Cut(name, "/")
	if !inEnvironment {
		base = name
	}
	var names []string
	for _, known := range knownSecrets {
		names = append(names, known.name)
	}
	if !slices.Contains(names, base) {
		return fmt.Errorf("%.64q is no secret of a site: there are %s, each also as ENVIRONMENT/NAME", name, strings.Join(names, ", "))
	}
	if inEnvironment && image.CheckDeviceType(environment) != nil { // it has the form of a type's
		return fmt.Errorf("%.64q: an environment's name has 1 to 31 of a-z, 0-9 and -, and begins with a letter", name)
	}
	return nil
}

// secrets is where a site's secrets come from.
type secrets struct {
	path        string // of the file
	file        *secret.File
	environment string           // empty: none
	locked      map[string]error // why a secret that there is cannot be read, by name
}

// openSecrets reads the file of secrets, as far as it can be read without a key.
func openSecrets(dir, environment string) (*secrets, error) {
	path := filepath.Join(dir, SecretsFile)
	file, err := secret.Load(path)
	return &secrets{path, file, environment, map[string]error{}}, err
}

// given returns a secret from the environment variables. There being none is a
// [secret.ErrNone].
func (s *secrets) given(name string) (Secret, error) {
	for _, known := range knownSecrets {
		if known.name != name {
			continue
		}
		v, err := secret.FromEnvironment(known.variable)
		if err == nil {
			err = CheckSecret(name, v)
		}
		if err != nil && !errors.Is(err, secret.ErrNone) {
			err = fmt.Errorf("%s: %w", known.variable, err)
		}
		return v, err
	}
	return "", secret.ErrNone
}

// sealed returns a secret from the file, that of the environment if there is one. There
// being none is a [secret.ErrNone].
func (s *secrets) sealed(name string) (Secret, error) {
	if own := s.own(name); s.file.Has(own) {
		name = own
	}
	if !s.file.Has(name) {
		return "", secret.ErrNone
	}
	identities, err := secret.Identities()
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", s.path, name, err)
	}
	v, err := s.file.Get(name, identities)
	if err == nil {
		err = CheckSecret(name, v)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.path, err)
	}
	return v, nil
}

// own returns the name of the environment's own secret.
func (s *secrets) own(name string) string {
	if s.environment == "" {
		return name
	}
	return s.environment + "/" + name
}

// find returns a secret from the variables, or else the file.
func (s *secrets) find(name string) (Secret, error) {
	v, err := s.given(name)
	if errors.Is(err, secret.ErrNone) {
		v, err = s.sealed(name)
	}
	return v, err
}

// replace puts a secret in the place of what esper.toml says, if there is one. What an
// environment says for itself there (own) gives way to its own secret only. One that
// nobody here can read is remembered: whoever needs it asks [Site.Unlocked].
func (s *secrets) replace(name string, text *string, own bool) error {
	v, err := s.given(name)
	if errors.Is(err, secret.ErrNone) && (!own || s.file.Has(s.own(name))) {
		v, err = s.sealed(name)
	}
	switch {
	case err == nil:
		*text = v.Reveal()
	case errors.Is(err, secret.ErrNone):
	case errors.Is(err, secret.ErrNoIdentity), errors.Is(err, secret.ErrOtherRecipients),
		errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		s.locked[name] = err
		*text = ""
	default:
		return err
	}
	return nil
}

// Unlocked returns why one of the passwords in the site's configuration could not be
// read, if that is so. It is then empty in [Config].
func (s *Site) Unlocked(names ...string) error {
	if s.secrets == nil {
		return nil
	}
	for _, name := range names {
		if err := s.secrets.locked[name]; err != nil {
			return err
		}
	}
	return nil
}

// Secret returns a secret from its environment variables or the file of secrets. There
// being none is a [secret.ErrNone].
func (s *Site) Secret(name string) (Secret, error) { return s.secrets.find(name) }

// SigningKey returns the private key that signs the site's releases, and where it is
// from: the variables, the file release.key in the site, or its secrets.
func (s *Site) SigningKey() (key ed25519.PrivateKey, from string, err error) {
	from = SigningKey
	v, err := s.secrets.given(SigningKey)
	if errors.Is(err, secret.ErrNone) {
		path := filepath.Join(s.Dir, KeyName+".key")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			key, err := release.LoadPrivateKey(path)
			return key, path, err
		}
		from = SecretsFile + ", " + SigningKey
		v, err = s.secrets.sealed(SigningKey)
	}
	if err != nil {
		return nil, from, err
	}
	key, err = release.ParsePrivateKey(SigningKey, []byte(v.Reveal()))
	return key, from, err
}
