package site

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"esper/internal/image"
)

// EnvironmentVariable is the environment variable that names the site's environment.
const EnvironmentVariable = "ESPER_ENVIRONMENT"

// maxEnvironments is how many a site may have.
const maxEnvironments = 16

// ErrNoEnvironment says that a site has no environment of that name.
var ErrNoEnvironment = errors.New("no such environment")

// reserved are names in the data folder, where each environment has a folder, too.
var reserved = []string{"acme", "builds", "firmware", "git", "repository", "secrets", "tls", "work"}

// checkEnvironments checks the names and their number.
func (f *configFile) checkEnvironments() error {
	if len(f.Environment) > maxEnvironments {
		return fmt.Errorf("environment: %d, but at most %d are allowed", len(f.Environment), maxEnvironments)
	}
	for _, name := range f.environments() {
		if err := image.CheckDeviceType(name); err != nil { // names of folders, too
			return fmt.Errorf("environment.%.40s: a name is 1 to 31 of a-z, 0-9 and -, and begins with a letter", name)
		}
		if slices.Contains(reserved, name) {
			return fmt.Errorf("environment.%s: a folder in %s has this name already", name, DataDir)
		}
	}
	return nil
}

// environments returns their names, sorted.
func (f *configFile) environments() []string { return slices.Sorted(maps.Keys(f.Environment)) }

// has returns an [ErrNoEnvironment] if there is no such environment.
func (f *configFile) has(environment string) error {
	_, found := f.Environment[environment]
	switch {
	case found:
		return nil
	case len(f.Environment) == 0:
		return fmt.Errorf("%w: %.40q: the site has none", ErrNoEnvironment, environment)
	}
	return fmt.Errorf("%w: %.40q: there are %s", ErrNoEnvironment, environment, strings.Join(f.environments(), ", "))
}

// choose returns the values of an environment: what stands at the top of the text,
// and in place of it, key by key, what stands in the environment. Lists are taken whole.
func (f *configFile) choose(text []byte, environment string) (*values, error) {
	if environment == "" {
		return &f.values, nil
	}
	if err := f.has(environment); err != nil {
		return nil, err
	}
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		return nil, err // parseConfig has read the text before
	}
	if err := lower(whole); err != nil {
		return nil, err
	}
	own := whole["environment"].(map[string]any)[environment].(map[string]any)
	delete(whole, "environment")
	merge(whole, own)
	merged, err := toml.Marshal(whole)
	if err != nil {
		return nil, err
	}
	chosen := &values{}
	return chosen, toml.Unmarshal(merged, chosen)
}

// lower writes all keys in small letters, as they are read without regard to case.
func lower(table map[string]any) error {
	for key, value := range table {
		if below, ok := value.(map[string]any); ok {
			if err := lower(below); err != nil {
				return err
			}
		}
		small := strings.ToLower(key)
		if small == key {
			continue
		}
		if _, twice := table[small]; twice {
			return fmt.Errorf("the key %.40s is there twice, in capitals and in small letters", small)
		}
		delete(table, key)
		table[small] = value
	}
	return nil
}

// merge puts the values of over in place of those in the tables of under.
func merge(under, over map[string]any) {
	for key, value := range over {
		if below, ok := value.(map[string]any); ok {
			if table, ok := under[key].(map[string]any); ok {
				merge(table, below)
				continue
			}
		}
		under[key] = value
	}
}

// without adds to an error of the values at the top that there are environments, of
// which none was chosen.
func (f *configFile) without(environment string, err error) error {
	if environment != "" || len(f.Environment) == 0 {
		return err
	}
	return fmt.Errorf("%w (without an environment; there are %s: choose one with --environment or %s)",
		err, strings.Join(f.environments(), ", "), EnvironmentVariable)
}
