package dashboard_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// heaviest is how much a page may load, in bytes, with what it shows of a fleet.
const heaviest = 150_000

func TestPagesAreLight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.publish("socket", "v1")
	w.many(100)
	b := open(t, w.url())
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
		return err
	})
	for _, path := range []string{"/", "/devices/00a001", "/releases", "/rollouts/socket", "/builds"} {
		b.mu.Lock()
		b.loaded = 0
		b.mu.Unlock()
		b.visit(path)
		b.mu.Lock()
		loaded := b.loaded
		b.mu.Unlock()
		t.Logf("%s: %d bytes", path, loaded)
		if loaded < 10_000 || loaded > heaviest {
			t.Errorf("%s loads %d bytes, want at most %d", path, loaded, heaviest)
		}
	}
}
