package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"esper/internal/secret"
	"esper/internal/site"
)

// editSecrets lets a person edit secrets. What is wrong is shown for another try, until
// it is left as it is.
func editSecrets(s *streams, before map[string]secret.Value) (map[string]secret.Value, error) {
	// Ctrl-C is the editor's affair. Whatever else ends this must not leave the file behind.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "esper-*") // mode 0700
	if err != nil {
		if dir, err = os.MkdirTemp("", "esper-*"); err != nil {
			return nil, err
		}
	}
	defer os.RemoveAll(dir) // with what editors leave beside the file
	path := filepath.Join(dir, "secrets.toml")
	text := secret.Plain(before)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	for {
		if err := runEditor(ctx, s, path); err != nil {
			return nil, err
		}
		edited, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		values, wrong := checkEdited(edited)
		if wrong == nil {
			return values, nil
		}
		if bytes.Equal(edited, text) {
			return nil, fmt.Errorf("nothing was written: %w", wrong)
		}
		text = edited
		s.note("not yet right: %v", wrong)
	}
}

// checkEdited reads and checks what was edited. No error quotes a secret.
func checkEdited(text []byte) (map[string]secret.Value, error) {
	values, err := secret.ParsePlain(text)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := site.CheckSecret(name, values[name]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// runEditor runs the person's editor on a file.
func runEditor(ctx context.Context, s *streams, path string) error {
	editor := os.Getenv("VISUAL")
	if editor == "" {
		editor = os.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	// As git does it: the variable may have arguments.
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$@"`, editor, path)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out.to, s.err // the terminal itself
	cmd.Env = secret.Environ()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted; nothing was written")
		}
		return hint(fmt.Errorf("the editor %q failed: %w; nothing was written", editor, err), "EDITOR names another")
	}
	return nil
}
