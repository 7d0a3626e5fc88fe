package site

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"esper/internal/release"
	"esper/internal/secret"
	"esper/internal/textfile"
)

// Limits on values, in bytes of text. The texts become constants in the firmware.
const (
	maxRealm    = 32
	maxSSID     = 32
	minPassword = 8
	maxPassword = 63
	keyDigits   = 64 // of a key in hex: a fleet's, or WPA's in place of the password that it is made from
	maxUser     = 64
	maxHost     = 64
	maxURL      = 128

	minInterval = 10 * time.Second
	maxInterval = 30 * 24 * time.Hour
	minConfirm  = time.Second
	maxTrial    = time.Hour
	maxJitter   = time.Hour
)

const (
	defaultInterval = "1h"
	defaultConfirm  = "30s"
	defaultTrial    = "5m"
	defaultMQTTPort = 1883
	defaultHTTPPort = 80
)

// configFile is esper.toml, as it is written.
type configFile struct {
	values
	Secrets struct {
		Recipients []string `toml:"recipients"`
	} `toml:"secrets"`
	Environment map[string]values `toml:"environment"`
}

// values are what each environment can have of its own.
type values struct {
	Realm string   `toml:"realm"`
	WiFi  wifiFile `toml:"wifi"`
	MQTT  struct {
		URL    string `toml:"url"`
		Shared *bool  `toml:"shared"`
	} `toml:"mqtt"`
	Update struct {
		URL      string   `toml:"url"`
		Interval string   `toml:"interval"`
		Jitter   string   `toml:"jitter"`
		Keys     []string `toml:"keys"`

		ConfirmAfter string `toml:"confirm_after"`
		TrialTimeout string `toml:"trial_timeout"`
		Refresh      *bool  `toml:"refresh"`
	} `toml:"update"`
	Heartbeat struct {
		Timeout string `toml:"timeout"`
	} `toml:"heartbeat"`
	Time  timeFile `toml:"time"`
	Build struct {
		SDK     string  `toml:"sdk"`
		Secrets Secrets `toml:"secrets"`
	} `toml:"build"`
	Rollout       rolloutFile        `toml:"rollout"`
	HomeAssistant *homeAssistantFile `toml:"homeassistant"`
}

// wifiFile is the networks.
type wifiFile struct {
	networkFile
	Others []networkFile `toml:"others"` // besides the first
}

// networkFile is a network.
type networkFile struct {
	SSID     string  `toml:"ssid"`
	Password *string `toml:"password"` // nil: it does not say whether there is one
}

func (n networkFile) password() string {
	if n.Password == nil {
		return ""
	}
	return *n.Password
}

// readConfig reads the configuration of the site in dir, for the environment of its
// secrets unless that is empty, and with the passwords among them, as far as these can
// be read.
func readConfig(dir string, secrets *secrets) (Config, error) {
	environment := secrets.environment
	path := filepath.Join(dir, ConfigFile)
	text, err := textfile.Read(path, maxConfigFile)
	if err != nil {
		return Config{}, err
	}
	whole, err := parseConfig(text)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	file, err := whole.choose(text, environment)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	own := whole.Environment[environment] // or nothing
	password, said := file.WiFi.password(), file.WiFi.Password != nil
	if err := secrets.replace(WiFiPassword, &password, own.WiFi.Password != nil); err != nil {
		return Config{}, err
	}
	file.WiFi.Password = &password
	var unsaid []bool                                      // of the other networks
	for i := range min(len(file.WiFi.Others), MaxOthers) { // check says if there are more
		other := &file.WiFi.Others[i]
		password, said := other.password(), other.Password != nil
		if err := secrets.replace(OtherPassword(i), &password, said && len(own.WiFi.Others) > 0); err != nil {
			return Config{}, err
		}
		other.Password = &password
		unsaid = append(unsaid, password == "" && !said)
	}
	c, err := file.check()
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, whole.without(environment, err))
	}
	if c.SDK, err = sdkFolder(dir, file.Build.SDK); err != nil {
		return Config{}, err
	}
	c.WiFi.Unsaid = password == "" && !said
	for i := range c.Others {
		c.Others[i].Unsaid = unsaid[i]
	}
	if c.FleetKeys, err = secrets.keys(dir, FleetKey, parseFleetKeys); err != nil {
		return Config{}, err
	}
	if c.DevicesKey, err = secrets.keys(dir, DevicesKey, parseDevicesKey); err != nil {
		return Config{}, err
	}
	password = c.MQTT.Password.Reveal()
	if err := secrets.replace(MQTTPassword, &password, own.MQTT.URL != "" && password != ""); err != nil {
		return Config{}, err
	}
	if c.MQTT.Password = Secret(password); password != "" && c.MQTT.User == "" {
		return Config{}, fmt.Errorf("%s: mqtt.url: names no user, but there is a secret %s", path, MQTTPassword)
	}
	if c.Recipients, err = secret.ParseRecipients(whole.Secrets.Recipients); err != nil {
		return Config{}, fmt.Errorf("%s: secrets.recipients: %w", path, err)
	}
	for _, name := range file.Update.Keys {
		if !filepath.IsLocal(name) {
			return Config{}, fmt.Errorf("%s: update.keys: %.60q is not in the site: copy it into the site's folder, and give its name from there", path, name)
		}
		c.Update.KeyFiles = append(c.Update.KeyFiles, name)
		name = filepath.Join(dir, name)
		key, err := release.LoadPublicKey(name)
		if err != nil {
			return Config{}, fmt.Errorf("%s: update.keys: %w", path, err)
		}
		for _, other := range c.Update.Keys {
			if key.Equal(other) {
				return Config{}, fmt.Errorf("%s: update.keys: %s: the same key twice", path, name)
			}
		}
		c.Update.Keys = append(c.Update.Keys, ed25519.PublicKey(key))
	}
	return c, nil
}

// SDKVariable is the environment variable that names the vendor's SDK, in place of esper.toml.
const SDKVariable = "ESPER_SDK"

// sdkFolder returns the absolute path of the vendor's SDK, or an empty one: what the environment
// variable names, from the folder that we are in, or else what esper.toml names, from the site's.
func sdkFolder(dir, named string) (string, error) {
	if path := os.Getenv(SDKVariable); path != "" {
		return filepath.Abs(path)
	}
	if named == "" || filepath.IsAbs(named) {
		return named, nil
	}
	return filepath.Join(dir, named), nil
}

// parseConfig reads the text of an esper.toml. Unknown keys are errors. The
// messages tell the line, never what stands in it: that may be a password.
func parseConfig(text []byte) (*configFile, error) {
	file := &configFile{}
	if err := textfile.DecodeTOML(text, file); err != nil {
		return nil, err
	}
	return file, file.checkEnvironments()
}

// check returns the configuration without its keys, or an error that names the
// value that is wrong.
func (f *values) check() (Config, error) {
	var c Config
	var err error
	if err = CheckRealm(f.Realm); err != nil {
		return c, fmt.Errorf("realm: %w", err)
	}
	c.Realm = f.Realm
	if c.WiFi, err = checkWiFi(f.WiFi.SSID, f.WiFi.password()); err != nil {
		return c, err
	}
	if n := len(f.WiFi.Others); n > MaxOthers {
		return c, fmt.Errorf("wifi.others: %d networks, but at most %d are allowed", n, MaxOthers)
	}
	for i, other := range f.WiFi.Others {
		network, err := checkWiFi(other.SSID, other.password())
		if err != nil {
			return c, fmt.Errorf("wifi.others, number %d: %w", i+1, err)
		}
		c.Others = append(c.Others, network)
	}
	switch c.Secrets = f.Build.Secrets; c.Secrets {
	case "":
		c.Secrets = InImage
	case InImage, Moving, InSettings:
	default:
		return c, fmt.Errorf("build.secrets: %.40q is none of %q, %q and %q", c.Secrets, InImage, Moving, InSettings)
	}
	if c.MQTT, err = parseMQTT(f.MQTT.URL); err != nil {
		return c, fmt.Errorf("mqtt.url: %w", err)
	}
	if c.MQTT.OwnOnly = f.MQTT.Shared != nil && !*f.MQTT.Shared; c.MQTT.OwnOnly && c.MQTT.User == "" {
		return c, errors.New("mqtt.shared: false needs a user in mqtt.url: " +
			"without one, the broker lets in everybody")
	}
	if f.Update.URL != "" {
		if c.Update, err = parseUpdateURL(f.Update.URL); err != nil {
			return c, fmt.Errorf("update.url: %w", err)
		}
		if len(f.Update.Keys) == 0 {
			return c, errors.New("update.keys: needs at least one public key, to tell whose releases to trust")
		}
	}
	if n := len(f.Update.Keys); n > release.MaxKeys {
		return c, fmt.Errorf("update.keys: %d keys, but a firmware carries at most %d", n, release.MaxKeys)
	}
	if f.Update.Interval == "" {
		f.Update.Interval = defaultInterval
	}
	if c.Update.Interval, err = checkDuration(f.Update.Interval, minInterval, maxInterval); err != nil {
		return c, fmt.Errorf("update.interval: %w", err)
	}
	if f.Update.Jitter != "" {
		if c.Update.Jitter, err = checkDuration(f.Update.Jitter, 0, maxJitter); err != nil {
			return c, fmt.Errorf("update.jitter: %w", err)
		}
	}
	if err := f.checkTrial(&c.Update); err != nil {
		return c, err
	}
	if f.Heartbeat.Timeout != "" && f.Heartbeat.Timeout != "0s" && f.Heartbeat.Timeout != "0" {
		if c.Heartbeat.Timeout, err = checkDuration(f.Heartbeat.Timeout, minInterval, maxInterval); err != nil {
			return c, fmt.Errorf("heartbeat.timeout: %w", err)
		}
	}
	if c.Time, err = f.Time.check(); err != nil {
		return c, err
	}
	if c.Rollouts, err = f.Rollout.check(c.Update.Interval); err != nil {
		return c, err
	}
	c.HomeAssistant, err = f.HomeAssistant.check()
	return c, err
}

// checkTrial reads what concerns trial boots.
func (f *values) checkTrial(u *Update) (err error) {
	after, timeout := f.Update.ConfirmAfter, f.Update.TrialTimeout
	if after == "" {
		after = defaultConfirm
	}
	if timeout == "" {
		timeout = defaultTrial
	}
	if u.ConfirmAfter, err = checkDuration(after, minConfirm, maxTrial); err != nil {
		return fmt.Errorf("update.confirm_after: %w", err)
	}
	if u.TrialTimeout, err = checkDuration(timeout, minConfirm, maxTrial); err != nil {
		return fmt.Errorf("update.trial_timeout: %w", err)
	}
	if u.TrialTimeout <= u.ConfirmAfter {
		return fmt.Errorf("update.trial_timeout: %s is not longer than confirm_after, %s: no trial could be confirmed",
			u.TrialTimeout, u.ConfirmAfter)
	}
	u.Refresh = f.Update.Refresh == nil || *f.Update.Refresh
	return nil
}

// CheckRealm says what is wrong with a realm, which is one or more topic levels of plain
// characters: it is part of MQTT filters, topics and URLs.
func CheckRealm(realm string) error {
	if realm == "" {
		return errors.New("missing: it names your devices' part of the broker, such as \"home\"")
	}
	if len(realm) > maxRealm {
		return fmt.Errorf("%d characters, but at most %d are allowed", len(realm), maxRealm)
	}
	for _, level := range strings.Split(realm, "/") {
		if level == "" {
			return fmt.Errorf("%q has an empty level: no slash at either end, nor two together", realm)
		}
		for _, c := range level {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && !(c >= '0' && c <= '9') && !strings.ContainsRune("._-", c) {
				return fmt.Errorf("%q has characters other than A-Z, a-z, 0-9, ., _, - and /", realm)
			}
		}
	}
	return nil
}

// checkWiFi checks the lengths that 802.11 and WPA allow.
func checkWiFi(ssid, password string) (WiFi, error) {
	switch {
	case ssid == "":
		return WiFi{}, errors.New("wifi.ssid: missing: the name of the network that the devices join")
	case len(ssid) > maxSSID:
		return WiFi{}, fmt.Errorf("wifi.ssid: %d bytes, but at most %d are allowed", len(ssid), maxSSID)
	case password != "" && len(password) < minPassword:
		return WiFi{}, fmt.Errorf("wifi.password: shorter than the %d characters that WPA needs (empty: an open network)", minPassword)
	case len(password) == keyDigits && strings.Trim(password, "0123456789abcdefABCDEF") == "":
		// The key itself, as wpa_passphrase prints it; the SDK takes 64 characters for that.
	case len(password) > maxPassword:
		return WiFi{}, fmt.Errorf("wifi.password: longer than %d bytes, and not a key of %d hex digits", maxPassword, keyDigits)
	}
	if control(ssid) {
		return WiFi{}, errors.New("wifi.ssid: has control characters")
	}
	if control(password) {
		return WiFi{}, errors.New("wifi.password: has control characters")
	}
	return WiFi{SSID: ssid, Password: Secret(password)}, nil
}

// parseMQTT reads mqtt://[user:password@]host[:port].
func parseMQTT(text string) (MQTT, error) {
	if text == "" {
		return MQTT{}, errors.New("missing: the devices' broker, such as \"mqtt://192.168.1.10:1883\"")
	}
	u, host, port, err := parseURL(text, "mqtt", defaultMQTTPort)
	if err != nil {
		return MQTT{}, err
	}
	if strings.Trim(u.Path, "/") != "" {
		return MQTT{}, fmt.Errorf("%s has a path, which MQTT has no use for%s", hide(text), unescaped(text, u))
	}
	m := MQTT{Host: host, Port: port}
	if u.User != nil {
		password, _ := u.User.Password()
		m.User, m.Password = u.User.Username(), Secret(password)
		if m.User == "" {
			return MQTT{}, fmt.Errorf("%s has a password but no user", hide(text))
		}
		if len(m.User) > maxUser || len(password) > maxUser || control(m.User) || control(password) {
			return MQTT{}, fmt.Errorf("user and password may have %d bytes each, and no control characters", maxUser)
		}
	}
	return m, nil
}

// parseUpdateURL reads http://host[:port][/path].
func parseUpdateURL(text string) (Update, error) {
	if len(text) > maxURL {
		return Update{}, fmt.Errorf("%d characters, but at most %d are allowed", len(text), maxURL)
	}
	u, host, port, err := parseURL(text, "http", defaultHTTPPort)
	if err != nil {
		return Update{}, err
	}
	if u.User != nil {
		return Update{}, fmt.Errorf("%s has a user, which devices do not send: releases are protected by their signature", hide(text))
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for _, c := range []byte(path) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"\`, c) >= 0 {
			return Update{}, fmt.Errorf("%s has characters in its path that a URL must escape", hide(text))
		}
	}
	return Update{
		URL: strings.TrimRight(u.Scheme+"://"+u.Host+path, "/"), Host: host, Port: port, Path: path,
	}, nil
}

// Escaping says how user and password stand in a URL (RFC 3986, section 2.1).
const Escaping = "in user and password write % as %25, / as %2F, ? as %3F, # as %23, : as %3A, @ as %40, and a space as %20"

// unescaped returns what to add to an error of a URL, in which a password may have been cut in two.
func unescaped(text string, u *url.URL) string {
	if strings.Contains(text, "@") && (u == nil || u.User == nil) {
		return "; " + Escaping
	}
	return ""
}

// parseURL reads a URL of one scheme that has a host, and neither query nor
// fragment.
func parseURL(text, scheme string, defaultPort uint16) (u *url.URL, host string, port uint16, err error) {
	fail := func(what string) (*url.URL, string, uint16, error) {
		return nil, "", 0, fmt.Errorf("%s %s%s", hide(text), what, unescaped(text, u))
	}
	u, err = url.Parse(text)
	if err != nil {
		return fail("is not a URL such as " + scheme + "://host:port") // url.Error quotes it, password and all
	}
	if u.Scheme != scheme {
		return fail("does not begin with " + scheme + "://")
	}
	host = u.Hostname()
	if host == "" || u.Opaque != "" {
		return fail("has no host")
	}
	if len(host) > maxHost || !plainHost(host) {
		return fail("needs a host name or IPv4 address")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fail("must not have ? or #")
	}
	port = defaultPort
	if u.Port() != "" {
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || n == 0 {
			return fail("has a port that is none of 1 to 65535")
		}
		port = uint16(n)
	}
	return u, host, port, nil
}

// plainHost tells whether a host is an IPv4 address or made of a host name's
// characters.
func plainHost(host string) bool {
	for _, c := range []byte(host) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	digits := strings.Trim(host, "0123456789.") == ""
	return !digits || net.ParseIP(host) != nil
}

// checkDuration reads a duration of whole seconds, within limits.
func checkDuration(text string, min, max time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a duration such as \"90s\", \"10m\" or \"1h\"", text)
	}
	if d < min || d > max {
		return 0, fmt.Errorf("%s is not between %s and %s", text, min, max)
	}
	if d%time.Second != 0 {
		return 0, fmt.Errorf("%s is not a whole number of seconds", text)
	}
	return d, nil
}

// control tells whether there are control characters in a text.
func control(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7F })
}
