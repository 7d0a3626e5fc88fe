package secret

import (
	"os"
	"slices"
	"strings"

	"esper/internal/textfile"
)

// variables hold secrets. Those that name a file with one are harmless.
var variables = []string{
	KeyVariable, "ESPER_WIFI_PASSWORD", "ESPER_MQTT_PASSWORD", "ESPER_SIGNING_KEY", "ESPER_HOOK_SECRET",
	"ESPER_WIFI_2_PASSWORD", "ESPER_WIFI_3_PASSWORD", "ESPER_WIFI_4_PASSWORD", "ESPER_FLEET_KEY", "ESPER_DEVICES_KEY",
	"ESPER_TOKEN",
	"ESPER_MQTT", "ESPER_DATABASE", // URLs, with a password in them
	"PGPASSWORD",
}

// Environ returns the environment for another program, without what is secret in it.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(variables, name)
	})
}

// FromEnvironment returns the secret in an environment variable, or in the file that
// the variable of that name with _FILE names, as systemd's credentials and containers
// have it, without the newline at its end. An empty variable is as good as none. There
// being neither is an [ErrNone].
func FromEnvironment(variable string) (Value, error) {
	if text := os.Getenv(variable); text != "" {
		return Value(text), nil
	}
	path := os.Getenv(variable + "_FILE")
	if path == "" {
		return "", ErrNone
	}
	text, err := textfile.Read(path, MaxValue)
	return Value(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")), err
}
