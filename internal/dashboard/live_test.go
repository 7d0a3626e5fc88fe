package dashboard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// noticed is how soon what changes is seen.
const noticed = time.Second

// soon fails the test if what was promised took longer. The machine may be busy with other
// tests, so that what takes a little longer is no failure yet.
func soon(t *testing.T, what string, took time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if took > 5*noticed {
		t.Errorf("%s is seen after %v", what, took)
	}
}

func TestChangesAreSeenWithoutReloading(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/")
	b.says("● Live")
	eval[bool](b, `window.same = true`)
	row := func(id string) string { return `document.querySelector("tr[data-key='` + id + `']").innerText` }

	w.says("00c001", "status", "OFFLINE")
	soon(t, "that a device is offline", b.wait(row("00c001")+`.includes("Offline")`))
	w.says("00c001", "status", "ONLINE")
	w.says("00c001", "update/status", `{"state":"downloading","version":"v2","progress":40,"error":""}`)
	soon(t, "an update", b.wait(row("00c001")+`.includes("Downloading 40 %")`))
	w.says("00c001", "update/status", `{"state":"downloading","version":"v2","progress":50,"error":"bad-signature","received":1234}`)
	b.wait(row("00c001") + `.includes("Downloading 50 %") && !` + row("00c001") + `.includes("bad-signature")`)
	w.says("00c001", "info", info("00c001", "socket", "v2", -61))
	soon(t, "a version", b.wait(row("00c001")+`.includes("v2")`))
	w.says("00c001", "update/status", `{"state":"failed","version":"v2","progress":100,"error":"bad-signature"}`)
	soon(t, "a failure", b.wait(`find("button.tile.bad").innerText.startsWith("1")`))
	w.says("00c009", "info", info("00c009", "socket", "v1", -70))
	soon(t, "a device", b.wait(`document.querySelector("tr[data-key='00c009']")`))

	b.follow("00c001")
	b.says("What it published")
	w.says("00c001", "relay", "1")
	soon(t, "a feature", b.wait(`find("[role=switch]", "relay of 00c001").ariaChecked === "true" && text("[data-key=relay] .state") === "● On"`))
	if !eval[bool](b, `window.same`) {
		t.Error("the page was loaded anew")
	}
	b.fine()
}

// What a person does with the page stays theirs while it changes.
func TestChangesDisturbNobody(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/devices/00c001")
	b.clickAt(`document.querySelector("summary")`)
	b.click("Name…")
	b.enter("Name", "Ket")
	w.says("00c001", "update/status", `{"state":"checking","version":"v1","progress":0,"error":""}`)
	b.wait(`document.querySelector("h1").innerText.includes("Checking")`)
	b.press("tle")
	if got := eval[string](b, `field("Name").value`); got != "Kettle" {
		t.Errorf("the name in the dialog is %q", got)
	}
	b.click("Cancel")
	if !eval[bool](b, `document.querySelector("details").open`) {
		t.Error("what was opened is closed")
	}
	b.follow("Fleet")
	b.enter("Search", "c00")
	w.says("00c002", "status", "OFFLINE")
	b.wait(`document.querySelector("tr[data-key='00c002']").innerText.includes("Offline")`)
	b.press("1")
	b.showsRows("00c001")
	if got := eval[string](b, `field("Search").value`); got != "c001" {
		t.Errorf("the search is for %q", got)
	}
	b.fine()
}

func TestALostConnectionComesBack(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/")
	b.says("● Live")
	w.stop()
	b.says("No connection, trying again")
	if !eval[bool](b, `Boolean(find("a", "00c001"))`) {
		t.Error("what was there is not shown any more")
	}
	b.follow("00c001")
	b.says("The server does not answer.")
	w.start()
	w.says("00c001", "status", "OFFLINE")
	b.says("● Live")
	b.says("What it published")
	b.wait(`text("h1").includes("Offline")`)
	b.fine()
}

// A page that came, but to which the server did not answer any more, can try again.
func TestAPageThatCouldNotBeginTriesAgain(t *testing.T) {
	t.Parallel()
	b := open(t, house(t).url())
	b.before(`const real = fetch; let tried = false;
		window.fetch = (...what) => tried ? real(...what) : (tried = true, Promise.reject(new TypeError("no network")));`)
	if err := chromedp.Do(b.ctx, chromedp.Navigate(b.base+"/")); err != nil {
		t.Fatal(err)
	}
	b.says("The server does not answer.")
	b.click("Try again")
	b.says("of 3 online")
	b.fine()
}

// A page that goes out of sight and comes back shows what has happened meanwhile.
func TestAPageThatWasHiddenCatchesUp(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/")
	b.says("● Live")
	hide := func(hidden bool) {
		eval[bool](b, fmt.Sprintf(`(Object.defineProperty(document, "hidden", { value: %v, configurable: true }), document.dispatchEvent(new Event("visibilitychange")))`, hidden))
	}
	hide(true)
	w.says("00c002", "status", "OFFLINE")
	w.until("the server knows", func() bool { return w.device("00c002").Status == "OFFLINE" })
	hide(false)
	b.wait(`document.querySelector("tr[data-key='00c002']").innerText.includes("Offline")`)
	b.fine()
}

// Whatever comes from outside is text: it is there as it was sent, and nothing runs.
func TestWhatDevicesPublishIsText(t *testing.T) {
	t.Parallel()
	w := house(t)
	const (
		markup = `<img src=x onerror=alert(1)>`
		script = `"'><script>alert(2)</script>`
		hebrew = `קומקום & "more"`
	)
	hostile := strings.Replace(info("00c001", "socket", "v1", -61), `"ssid":"home"`, `"ssid":`+quote(markup), 1)
	hostile = strings.Replace(hostile, `"flash_id":"1640ef"`, `"flash_id":`+quote(script), 1)
	hostile = strings.Replace(hostile, `"reset":"power-on"`, `"reset":`+quote(markup), 1)
	hostile = strings.Replace(hostile, `"ip":"192.168.1.23"`, `"ip":"javascript:alert(3)"`, 1)
	w.says("00c001", "info", hostile)
	w.says("00c001", "update/status", fmt.Sprintf(`{"state":%s,"version":"v1","progress":7,"error":%s}`, quote("<b>x</b>"), quote(script)))
	for id, state := range map[string]string{"00c002": "constructor", "00c003": "__proto__"} { // what every object of a script has
		w.says(id, "update/status", `{"state":"`+state+`","version":"v1","progress":0,"error":""}`)
	}
	// No feature may have such a name: it is among the problems.
	refused := strings.Replace(info("00c002", "socket", "v1", -61), `"relay":"switch"`, quote(markup)+`:"switch"`, 1)
	w.says("00c002", "info", refused)
	w.says("00c002", "<script>alert(5)<|script>", "1")
	if err := w.label("00c001", "gpj.\u202eexe"); err == nil {
		t.Error("a name may turn the text around it")
	}
	b := open(t, w.url())
	for _, name := range []string{markup, script, hebrew} {
		if err := w.label("00c001", name); err != nil {
			t.Fatal(err)
		}
		b.visit("/")
		b.says(name)
		b.says("constructor")
		b.says("__proto__")
		b.follow("00c002")
		b.says("What it published")
		b.says("cannot be the name of one")
		for _, path := range []string{"/devices/00c001", "/?search=" + strings.ReplaceAll(script, "<", "%3C"), "/rollouts/" + strings.ReplaceAll("%3Cimg src=x onerror=alert(4)%3E", " ", "%20")} {
			b.visit(path)
			if made := eval[[]string](b, `[...document.querySelectorAll("body script, img, iframe, object, embed, b[onclick], [onerror], a[href^='javascript']")].map((e) => e.outerHTML)`); len(made) > 0 {
				t.Errorf("%s: it became markup: %v", path, made)
			}
		}
		b.fine()
	}
}

// No script makes markup of text, and markup that comes into a page all the same does not run
// and cannot send anything.
func TestThePolicyStopsWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	b := open(t, house(t).url())
	b.visit("/")
	const markup = `<img src='http://127.0.0.2:9/x' onerror='window.ran = true'><a id='trap' href='javascript:window.ran=true'>x</a>`
	if made := eval[[]string](b, `Object.entries({
		innerHTML: (div) => { div.innerHTML = `+quote(markup)+`; },
		insertAdjacentHTML: (div) => div.insertAdjacentHTML("beforeend", `+quote(markup)+`),
		script: () => { const s = document.createElement("script"); s.textContent = "window.ran = true"; document.body.append(s); },
		srcdoc: () => { const f = document.createElement("iframe"); f.srcdoc = "x"; },
	}).filter(([, attack]) => { try { attack(document.createElement("div")); return true; } catch { return false; } }).map(([name]) => name)`); len(made) > 0 {
		t.Errorf("text becomes markup by %v", made)
	}

	eval[bool](b, `(window.violations = [], document.addEventListener("securitypolicyviolation", (e) => violations.push(e.effectiveDirective)), true)`)
	b.call(func(ctx context.Context, t *chromedp.Target) error { // from outside of the page, to which the policy does not apply
		document, err := cdp.Call(ctx, t, dom.GetDocument, dom.GetDocumentParams{})
		if err != nil {
			return err
		}
		notices, err := cdp.Call(ctx, t, dom.QuerySelector, dom.QuerySelectorParams{NodeID: document.Root.NodeID, Selector: "#notices"})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, dom.SetOuterHTML, dom.SetOuterHTMLParams{NodeID: notices.NodeID, OuterHTML: "<div>" + markup + "</div>"})
		return err
	})
	eval[bool](b, `(document.getElementById("trap").click(), fetch("http://127.0.0.2:9/").catch(() => {}), true)`)
	b.wait(`["img-src", "script-src-attr", "script-src-elem", "connect-src"].every((d) => violations.includes(d))`)
	if eval[bool](b, `window.ran === true`) {
		t.Error("it ran")
	}
	var kinds []string
	for _, p := range b.problems {
		kinds = append(kinds, strings.SplitN(p, ":", 2)[0])
	}
	if !slices.Contains(kinds, "security") {
		t.Errorf("the tests do not notice what the policy stops: %v", b.problems)
	}
}

// A button that is pressed, or has the focus, stays the same one while others come and go.
func TestButtonsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/rollouts/socket")
	b.wait(`find("button", "Abort")`)
	eval[bool](b, `(find("button", "Abort").focus(), true)`)
	if err := w.server.Conductor().Pause(t.Context(), "socket", "ada"); err != nil {
		t.Fatal(err)
	}
	b.wait(`find("button", "Resume")`) // in place of two
	if got := eval[string](b, `document.activeElement.innerText`); got != "Abort" {
		t.Errorf("%q has the focus", got)
	}

	b.visit("/devices/00c002")
	b.wait(`find("button", "Hold")`)
	eval[bool](b, `(find("button", "Hold").focus(), window.pressed = find("button", "Hold"), true)`)
	w.says("00c002", "update/status", `{"state":"failed","version":"v2","progress":0,"error":"bad-signature"}`)
	b.wait(`find("button", "Retry")`)
	if !eval[bool](b, `document.activeElement === window.pressed && window.pressed.innerText === "Hold"`) {
		t.Error("the focus went elsewhere when a button came")
	}
	if err := w.server.Conductor().Retry(t.Context(), "00c002"); err != nil {
		t.Fatal(err)
	}
	w.says("00c002", "update/status", `{"state":"idle","version":"v1","progress":0,"error":""}`)
	b.wait(`!find("button", "Retry")`)
	if !eval[bool](b, `document.activeElement === window.pressed && window.pressed.innerText === "Hold"`) {
		t.Error("the focus went elsewhere when a button went")
	}

	b.visit("/?sort=presence")
	b.showsRows("00c003", "00c001", "00c002")
	eval[bool](b, `(find("a", "00c001").focus(), true)`)
	w.says("00c001", "status", "OFFLINE")
	w.says("00c003", "status", "ONLINE")
	b.showsRows("00c001", "00c002", "00c003")
	if got := eval[string](b, `document.activeElement.innerText`); got != "00c001" {
		t.Errorf("after its row moved, %q has the focus", got)
	}
	b.fine()
}

// Times are told by the server's clock, whatever that of the screen says, and exactly with their zone.
func TestAClockThatIsWrongMisleadsNobody(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.before(`const right = Date.now; Date.now = () => right() + 7200000;`)
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kathmandu"})
		return err
	})
	b.visit("/")
	if got := eval[string](b, `text("tr[data-key='00c001'] time")`); got != "just now" && !strings.HasSuffix(got, " s ago") {
		t.Errorf("a device that was heard of just now: %q", got)
	}
	if got := eval[string](b, `document.querySelector("tr[data-key='00c001'] time").title`); !strings.Contains(got, "5:45") {
		t.Errorf("the exact time is %q", got)
	}
	b.fine()
}
