package site

import (
	"crypto/ed25519"
	"crypto/rand"
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
	"esper/internal/settings"
	"esper/internal/textfile"
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
	FleetKey      = "fleet.key"   // 1 to MaxFleetKeys lines of 64 hex digits
	DevicesKey    = "devices.key" // 64 hex digits
)

// MaxFleetKeys is how many keys a settings release can be sealed with (SPEC 12.4).
const MaxFleetKeys = settings.MaxKeys

// MaxOthers is how many networks there may be besides the first (SPEC 12.2).
const MaxOthers = settings.MaxNetworks - 1

// OtherPassword returns the name of the password of one of [Config.Others].
func OtherPassword(index int) string { return fmt.Sprintf("wifi.%d.password", index+2) }

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
	{FleetKey, "ESPER_FLEET_KEY", func(text string) error {
		_, err := parseFleetKeys(text)
		return err
	}},
	{DevicesKey, "ESPER_DEVICES_KEY", func(text string) error {
		_, err := parseDevicesKey(text)
		return err
	}},
	{OtherPassword(0), "ESPER_WIFI_2_PASSWORD", checkOtherPassword},
	{OtherPassword(1), "ESPER_WIFI_3_PASSWORD", checkOtherPassword},
	{OtherPassword(2), "ESPER_WIFI_4_PASSWORD", checkOtherPassword},
}

func checkOtherPassword(text string) error {
	_, err := checkWiFi("any", text)
	return err
}

// parseFleetKeys reads the keys of a fleet. No error quotes the text.
func parseFleetKeys(text string) ([]Secret, error) { return parseKeys(FleetKey, text, MaxFleetKeys) }

// parseDevicesKey reads the key that devices' own keys follow from. No error quotes the text.
func parseDevicesKey(text string) ([]Secret, error) { return parseKeys(DevicesKey, text, 1) }

// parseKeys reads 1 to max keys, a line each.
func parseKeys(name, text string, max int) (keys []Secret, err error) {
	for line := range strings.Lines(text) {
		line = strings.ToLower(strings.TrimSpace(line))
		if len(line) != keyDigits || strings.Trim(line, "0123456789abcdef") != "" {
			return nil, fmt.Errorf("%s: a line is not a key of %d hex digits ('esper keygen --fleet' makes one)", name, keyDigits)
		}
		if slices.Contains(keys, Secret(line)) {
			return nil, fmt.Errorf("%s: the same key twice", name)
		}
		keys = append(keys, Secret(line))
	}
	if len(keys) == 0 || len(keys) > max {
		return nil, fmt.Errorf("%s: %d keys, but there must be 1 to %d", name, len(keys), max)
	}
	return keys, nil
}

// WriteKey makes such a key, and writes it to a new file that its owner alone can read. It
// overwrites nothing: if there is such a file, the error is an [fs.ErrExist].
func WriteKey(path string) error {
	key := make([]byte, keyDigits/2)
	rand.Read(key) // never fails
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%x\n", key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
	}
	return err
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
	environment string            // empty: none
	locked      map[string]error  // why a secret that there is cannot be read, by name
	from        map[string]string // where a secret is from that does not stand in esper.toml, by name
}

// openSecrets reads the file of secrets, as far as it can be read without a key.
func openSecrets(dir, environment string) (*secrets, error) {
	path := filepath.Join(dir, SecretsFile)
	file, err := secret.Load(path)
	return &secrets{path, file, environment, map[string]error{}, map[string]string{}}, err
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
			s.from[name] = known.variable
			if os.Getenv(known.variable) == "" {
				s.from[name] += "_FILE"
			}
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
	plain := name
	if own := s.own(name); s.file.Has(own) {
		name = own
	}
	if !s.file.Has(name) {
		return "", secret.ErrNone
	}
	s.from[plain] = SecretsFile + ", " + name
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

// SecretFrom returns where a secret of the site's configuration is from: a variable, or a file and its
// name there. It is empty if it stands in esper.toml, or nowhere.
func (s *Site) SecretFrom(name string) string { return s.secrets.from[name] }

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

// The files with the keys, in the site's folder. Git does not keep them.
const (
	FleetKeyFile   = FleetKey
	DevicesKeyFile = DevicesKey
)

// keys reads keys from the variables, a file of the secret's name in the site's folder, or its secrets. If
// there are any that cannot be read here, [Site.Unlocked] says so.
func (s *secrets) keys(dir, name string, parse func(text string) ([]Secret, error)) ([]Secret, error) {
	text, err := s.given(name)
	path := filepath.Join(dir, name)
	if errors.Is(err, secret.ErrNone) {
		content, readErr := textfile.Read(path, secret.MaxValue)
		switch {
		case readErr == nil:
			keys, err := parse(string(content))
			s.from[name] = name
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			return keys, err
		case errors.Is(readErr, fs.ErrPermission):
			s.locked[name] = readErr
			return nil, nil
		case !errors.Is(readErr, fs.ErrNotExist):
			return nil, readErr
		}
	}
	var found string
	if err == nil {
		found = text.Reveal()
	} else if err := s.replace(name, &found, false); err != nil {
		return nil, err
	}
	if found == "" {
		return nil, nil
	}
	return parse(found)
}
