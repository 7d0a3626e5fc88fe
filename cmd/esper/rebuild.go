package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"esper/internal/build"
	"esper/internal/image"
	"esper/internal/release"
	"esper/internal/site"
)

// rebuild builds a release again, and puts into the verdict what is different.
func (c *verifyCommand) rebuild(ctx context.Context, s *streams, dir string, v *verdict) error {
	opened, err := openSite(".")
	if err != nil {
		return err
	}
	r, err := release.Read(dir, v.Type)
	if err != nil {
		return err
	}
	err = build.RebuildCommit(ctx, opened, r, build.Options{Log: s.err})
	var different *build.Difference
	switch {
	case errors.As(err, &different):
		toolchain, err := build.Toolchain(ctx)
		if err != nil {
			return err
		}
		v.Verified, v.Error = false, "rebuilt to other bytes: "+different.Error()
		s.note("%s: %s", v.Type, whyDifferent(release.ToolchainText(toolchain), r.Toolchain))
	case errors.Is(err, site.ErrNoCommit):
		return hint(fmt.Errorf("%s: %w", v.Type, err), "git fetch, perhaps; a release whose version was given by hand has no commit")
	case err != nil:
		return fmt.Errorf("%s: build it again: %w", v.Type, buildHint(err))
	}
	return nil
}

// whyDifferent says why a release that is built again may be another, by what the compilers of now
// and then call themselves.
func whyDifferent(now, then string) string {
	switch then {
	case "":
		return fmt.Sprintf("rebuilt with %s; another compiler, ESPer or secret than that of the release gives other bytes", now)
	case now:
		return fmt.Sprintf("rebuilt with the compiler of the release, %s; another ESPer or secret gives other bytes", now)
	}
	return fmt.Sprintf("rebuilt with %s, but the release with %s: that alone gives other bytes", now, then)
}

// fetchReleases downloads the current releases of device types from a server into a
// folder. Without types it takes those of the site that the server has. It returns
// those that are there.
func fetchReleases(ctx context.Context, base string, types []string, dir string) ([]string, error) {
	named := len(types) > 0
	if !named {
		opened, err := openSite(".")
		if err != nil {
			return nil, err
		}
		for _, t := range opened.Types {
			if image.CheckDeviceType(t.Name) == nil {
				types = append(types, t.Name)
			}
		}
	}
	base = strings.TrimRight(base, "/") + "/"
	var there []string
	for _, name := range types {
		if err := image.CheckDeviceType(name); err != nil {
			return nil, err
		}
		text, err := download(ctx, base+release.VersionFileName(name), release.MaxVersionFile)
		if errors.Is(err, fs.ErrNotExist) && !named {
			continue
		}
		if err != nil {
			return nil, err
		}
		version, err := release.ParseVersionFile(text)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", base, release.VersionFileName(name), err)
		}
		for slot := range image.Slots {
			address := base + release.ImageName(name, slot) + "?version=" + url.QueryEscape(version.Version)
			content, err := download(ctx, address, image.SlotSize)
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(dir, release.ImageName(name, slot)), content, 0o600); err != nil {
				return nil, err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, release.VersionFileName(name)), text, 0o600); err != nil {
			return nil, err
		}
		there = append(there, name)
	}
	return there, nil
}

// download gets a file of at most limit bytes. Status 404 is an [fs.ErrNotExist].
func download(ctx context.Context, address string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", address, fs.ErrNotExist)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", address, answer.Status)
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", address, limit)
	}
	return content, err
}
