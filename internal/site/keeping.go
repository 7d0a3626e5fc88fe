package site

import (
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"

	"esper/internal/secret"
	"esper/internal/textfile"
)

// Keeping is how a site keeps its secrets. It takes nothing else of the site to be right.
type Keeping struct {
	Path         string          // of the file with the secrets
	Environment  string          // the chosen one; empty: none
	Environments []string        // those that there are, sorted
	Recipients   []age.Recipient // whom to encrypt for
}

// OpenKeeping returns how the site in a folder, or in the nearest of its parents that holds
// esper.toml, keeps its secrets. If there is none, the error is an [ErrNoSite]. The environment is
// the one that [EnvironmentVariable] names, if it does.
func OpenKeeping(dir string) (Keeping, error) {
	root, err := find(dir)
	if err != nil {
		return Keeping{}, err
	}
	path := filepath.Join(root, ConfigFile)
	text, err := textfile.Read(path, maxConfigFile)
	if err != nil {
		return Keeping{}, err
	}
	k := Keeping{Path: filepath.Join(root, SecretsFile), Environment: os.Getenv(EnvironmentVariable)}
	file, err := parseConfig(text)
	if err == nil && k.Environment != "" {
		err = file.has(k.Environment)
	}
	if err != nil {
		return Keeping{}, fmt.Errorf("%s: %w", path, err)
	}
	if k.Recipients, err = secret.ParseRecipients(file.Secrets.Recipients); err != nil {
		return Keeping{}, fmt.Errorf("%s: secrets.recipients: %w", path, err)
	}
	k.Environments = file.environments()
	return k, nil
}
