package repository

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Published is what a repository held when it was looked at: a fact, which does not change. The
// zero value holds nothing.
type Published struct {
	entries []Entry
	kept    map[name]Entry
	newest  map[string]Entry // by device type
}

type name struct{ deviceType, version string }

func newPublished(entries []Entry) *Published {
	p := &Published{entries: entries, kept: map[name]Entry{}, newest: map[string]Entry{}}
	for _, e := range entries {
		p.kept[name{e.Type, e.Version}] = e
		if e.Current {
			p.newest[e.Type] = e
		}
	}
	return p
}

// Entries returns the releases that are kept, as [Repository.List] does. They must not be changed.
func (p *Published) Entries() []Entry { return p.entries }

// Types returns the device types that have a release, sorted.
func (p *Published) Types() []string { return slices.Sorted(maps.Keys(p.newest)) }

// Newest returns the release of a device type that was published last, and false if there is none.
func (p *Published) Newest(deviceType string) (Entry, bool) {
	e, ok := p.newest[deviceType]
	return e, ok
}

// Find returns a release that is kept, and false if it is not.
func (p *Published) Find(deviceType, version string) (Entry, bool) {
	e, ok := p.kept[name{deviceType, version}]
	return e, ok
}

// Feed follows what is published, by whatever process, and passes each change on. Its methods can be
// called at the same time.
type Feed struct {
	repository *Repository
	list       func() ([]Entry, error)
	followers  []func(*Published)
	last       atomic.Pointer[Published]
	looking    sync.Mutex // so that changes are passed on in their order
}

// NewFeed returns a feed of which nothing is known before [Feed.Look]. Each follower is called with
// what is published, in this order, whenever that has changed. It must not block.
func NewFeed(r *Repository, followers ...func(*Published)) *Feed {
	return newFeed(r, r.List, followers)
}

// NewSettingsFeed returns a [NewFeed] of the settings releases.
func NewSettingsFeed(r *Repository, followers ...func(*Published)) *Feed {
	return newFeed(r, r.ListSettings, followers)
}

func newFeed(r *Repository, list func() ([]Entry, error), followers []func(*Published)) *Feed {
	f := &Feed{repository: r, list: list, followers: followers}
	f.last.Store(newPublished(nil))
	return f
}

// Published returns what was published at the last look.
func (f *Feed) Published() *Published { return f.last.Load() }

// Look looks at the repository. What can be read is passed on even if it returns an error, which says
// what cannot.
func (f *Feed) Look() error {
	f.looking.Lock()
	defer f.looking.Unlock()
	entries, err := f.list()
	if err != nil && len(entries) == 0 {
		return err // nothing could be read: that does not mean that nothing is published
	}
	if slices.Equal(entries, f.last.Load().entries) {
		return err
	}
	p := newPublished(entries)
	f.last.Store(p)
	for _, follow := range f.followers {
		follow(p)
	}
	return err
}

// Check looks at the repository if another release of a device type is published than the last look
// found: it costs one system call if not. So a device that asks right after a release was published
// is not answered from what was there before.
func (f *Feed) Check(deviceType string) error {
	known, _ := f.Published().Newest(deviceType)
	if f.repository.NewestVersion(deviceType) == known.Version {
		return nil
	}
	return f.Look()
}
