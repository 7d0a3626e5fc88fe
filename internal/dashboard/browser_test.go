package dashboard_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The browser that all tests share, each in a tab of its own.
var (
	startBrowser sync.Once
	browser      context.Context // nil: there is none
	browserError error
	stopBrowser  = func() {}
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		flag.Set("test.parallel", "4") // they wait more than they work: for pages, trials, tokens
	}
	status := m.Run()
	stopBrowser()
	os.Exit(status)
}

// chromium starts the browser, and skips the test where it is not installed.
func chromium(t testing.TB) context.Context {
	t.Helper()
	startBrowser.Do(func() {
		var program string
		if program, browserError = exec.LookPath("chromium"); browserError != nil {
			return
		}
		options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.Flag("lang", "en-GB")}
		if os.Getuid() == 0 { // Chromium's own sandbox cannot be had then; the pages are ours
			options = append(options, chromedp.NoSandbox)
		}
		ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(options...))
		if err := chromedp.Do(ctx); err != nil {
			cancel()
			browserError = err
			return
		}
		browser, stopBrowser = ctx, func() { chromedp.Cancel(ctx) }
	})
	switch {
	case browser != nil:
	case os.Getenv("CI") == "" && strings.Contains(browserError.Error(), exec.ErrNotFound.Error()):
		t.Skip("chromium is not installed; make test installs it")
	default:
		t.Fatal(browserError)
	}
	return browser
}

// patience is how long a page may take to become as it should. Where a shorter time is
// promised, it is measured.
const patience = 20 * time.Second

// tab is a page in the browser.
type tab struct {
	t    testing.TB
	ctx  context.Context
	base string // of URLs

	mu       sync.Mutex
	problems []string // errors in its console, and dialogs of scripts
	loaded   int64    // bytes, since a test set it
}

// helpers are what tests look for elements with: the visible one with a text, or label. An
// open dialog hides what is behind it.
const helpers = `
window.find = (selector, text) => {
	const top = document.querySelector("dialog[open]") ?? document;
	return [...top.querySelectorAll(selector)].find((e) => e.checkVisibility() && (text === undefined ||
		e.innerText?.trim() === text || e.getAttribute("aria-label") === text)) ?? null;
};
window.field = (label) => [...(document.querySelector("dialog[open]") ?? document).querySelectorAll("label")].find((l) => l.firstChild?.data?.trim() === label)?.querySelector("input, select") ?? null;
window.text = (selector = "main") => document.querySelector(selector)?.innerText ?? "";`

// open opens a tab at a server, without a page yet. All are in one window, which is much quicker
// than one for each; each behaves as if it were in front. They share their cookies.
func open(t testing.TB, base string) *tab {
	t.Helper()
	return openTab(t, base, chromedp.WithNewWindow(false))
}

// openAlone opens a tab with cookies of its own.
func openAlone(t testing.TB, base string) *tab {
	t.Helper()
	return openTab(t, base, chromedp.WithNewBrowserContext())
}

func openTab(t testing.TB, base string, where chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium(t), where)
	t.Cleanup(func() { go cancel() }) // the browser takes a third of a second to close a window
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b.hears); err != nil {
		t.Fatal(err)
	}
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{})
		return err
	})
	b.before(helpers)
	b.size(1280, 900)
	return b
}

// before has a script run before those of each page that is loaded from now on.
func (b *tab) before(script string) {
	b.t.Helper()
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

// hears notes what should not be: errors, also those of the content security policy, and
// dialogs, which nothing of ours opens. That the API refuses something is none.
func (b *tab) hears(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			b.problems = append(b.problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var all []string
			for _, a := range e.Args {
				all = append(all, a.Description+string(a.Value))
			}
			b.problems = append(b.problems, "console: "+strings.Join(all, " "))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception: "+e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *page.EventJavascriptDialogOpening:
		b.problems = append(b.problems, "dialog: "+e.Message)
	case *network.EventDataReceived:
		b.loaded += e.DataLength
	}
}

// fine fails the test if something was noted.
func (b *tab) fine() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Error(p)
	}
	b.problems = nil
}

func (b *tab) call(f func(context.Context, *chromedp.Target) error) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Func(f)); err != nil {
		b.t.Fatal(err)
	}
}

// size sets how large the page is, in CSS pixels.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	var options []chromedp.EmulateViewportOption
	if width < 600 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulatePortrait)
	}
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height, options...)); err != nil {
		b.t.Fatal(err)
	}
}

// scheme sets whether the person likes it light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	})
}

// visit loads a page anew and waits until it is drawn.
func (b *tab) visit(path string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(b.base+path)); err != nil {
		b.t.Fatal(err)
	}
	b.wait(`document.querySelector("main h1, main h2") && !document.querySelector("[aria-busy]")`)
}

// eval evaluates an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true, and returns how long that took.
func (b *tab) wait(expression string) time.Duration {
	b.t.Helper()
	began := time.Now()
	ok := eval[bool](b, `new Promise((resolve) => {
		const end = Date.now() + `+fmt.Sprint(patience.Milliseconds())+`;
		const look = () => {
			let ok = false;
			try { ok = Boolean(`+expression+`); } catch {}
			if (ok || Date.now() > end) resolve(ok); else setTimeout(look, 15);
		};
		look();
	})`)
	if !ok {
		b.t.Fatalf("the page does not become so that %s. It says:\n%s", expression, eval[string](b, `document.body.innerText`))
	}
	return time.Since(began)
}

// says waits until the page says a text.
func (b *tab) says(text string) time.Duration {
	b.t.Helper()
	return b.wait("document.body.innerText.includes(" + quote(text) + ")")
}

func quote(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// clickAt clicks with the mouse where an element is, which must be possible.
func (b *tab) clickAt(element string) {
	b.t.Helper()
	b.wait(element + " && !" + element + ".disabled")
	at := eval[[]float64](b, `(() => {
		const e = `+element+`;
		e.scrollIntoView({ block: "center", behavior: "instant" });
		const r = e.getBoundingClientRect();
		const x = r.x + r.width / 2, y = r.y + r.height / 2;
		const there = document.elementFromPoint(x, y);
		return e.contains(there) || there?.contains(e) ? [x, y] : [];
	})()`)
	if len(at) == 0 {
		b.t.Fatalf("%s is covered, or not on the screen", element)
	}
	if err := chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1])); err != nil {
		b.t.Fatal(err)
	}
}

// click clicks the button with a text, follow the link.
func (b *tab) click(text string)  { b.t.Helper(); b.clickAt("find('button', " + quote(text) + ")") }
func (b *tab) follow(text string) { b.t.Helper(); b.clickAt("find('a', " + quote(text) + ")") }

// press presses keys of the keyboard.
func (b *tab) press(keys string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(keys)); err != nil {
		b.t.Fatal(err)
	}
}

// enter types into the field with a label, in place of what is there.
func (b *tab) enter(label, text string) {
	b.t.Helper()
	b.clickAt("field(" + quote(label) + ")")
	eval[bool](b, "(field("+quote(label)+").select?.(), true)")
	b.press(text)
}

// choose chooses in a list.
func (b *tab) choose(label, value string) {
	b.t.Helper()
	b.wait("field(" + quote(label) + ")")
	eval[bool](b, fmt.Sprintf(`(() => { const f = field(%s); f.focus(); f.value = %s; f.dispatchEvent(new Event("change", { bubbles: true })); f.blur(); return true; })()`, quote(label), quote(value)))
}

// rows are the ids of the devices in the table, as shown.
func (b *tab) rows() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll("tbody tr")].map((r) => r.dataset.key)`)
}

// showsRows waits until the table has these rows.
func (b *tab) showsRows(want ...string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got := b.rows()
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("devices %v, want %v", got, want)
		}
	}
}
