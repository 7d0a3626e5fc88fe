package dashboard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"esper/internal/rollout"
	"esper/internal/server"
	"esper/internal/store"
)

// house is a server with two device types, a roll-out that waits for approval, and devices.
func house(t *testing.T) *world {
	w := newWorld(t, func(c *server.Config) { c.Plan = staged })
	for _, version := range []string{"v1", "v2"} {
		w.publish("socket", version)
		w.firmwareSeen("socket")
	}
	w.publish("lamp", "v1")
	w.joins("00c001", "socket", "v1", -61)
	w.joins("00c002", "socket", "v1", -85)
	w.joins("00c003", "lamp", "v1", -50)
	w.says("00c003", "status", "OFFLINE")
	w.knows(2, store.Query{Type: "socket", Presence: "ONLINE"})
	w.knows(1, store.Query{Type: "lamp", Presence: "OFFLINE"})
	return w
}

// firmwareSeen has the server see what was published last.
func (w *world) firmwareSeen(deviceType string) {
	w.t.Helper()
	a, err := http.Get(w.url() + server.FirmwarePath + deviceType + ".version")
	if err != nil {
		w.t.Fatal(err)
	}
	a.Body.Close()
}

func TestEachPageIsShown(t *testing.T) {
	t.Parallel()
	w := house(t)
	buildsAreOff := "The build server is off"
	b := open(t, w.url())
	for path, want := range map[string]string{
		"/": "of 3 online", "/devices/00c001": "What it published", "/releases": "Follow the roll-out", "/rollouts/socket": "Waits for approval",
		"/builds": buildsAreOff, "/devices/00beef": "no such device", "/rollouts/kettle": "Nothing is published for this type",
		"/rollouts/%ff": "There is no such page",
	} {
		b.visit(path)
		b.says(want)
		if title := eval[string](b, `document.title`); !strings.HasSuffix(title, " · ESPer") {
			t.Errorf("%s: the title is %q", path, title)
		}
		b.fine()
	}
}

func TestLinksLeadFromPageToPageAndBack(t *testing.T) {
	t.Parallel()
	b := open(t, house(t).url())
	b.visit("/")
	eval[bool](b, `window.same = true`)
	b.follow("00c001")
	b.says("What it published")
	if got := eval[string](b, `[...document.querySelectorAll("dt")].find((e) => e.textContent === "Linked for").nextElementSibling.textContent`); got != "chip" {
		t.Errorf("it is linked for %q", got)
	}
	b.follow("Releases")
	b.says("Releases and roll-outs")
	b.follow("Follow the roll-out")
	b.says("Roll-out of")
	b.follow("Builds")
	b.says("The build server is off")
	eval[bool](b, `(history.go(-3), true)`)
	b.says("What it published")
	if !eval[bool](b, `window.same === true`) {
		t.Error("the page was loaded anew")
	}
	b.fine()
}

func TestAFreshServerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := open(t, newWorld(t, nil).url())
	for path, want := range map[string]string{"/": "No device has reported yet", "/releases": "Nothing is published yet", "/builds": "--follow"} {
		b.visit(path)
		b.says(want)
	}
	b.fine()
}

func TestTheFleetIsFilteredSearchedSortedAndGrouped(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/")
	b.showsRows("00c003", "00c001", "00c002")
	b.choose("Type", "socket")
	b.showsRows("00c001", "00c002")
	b.choose("Type", "")
	b.choose("Presence", "OFFLINE")
	b.showsRows("00c003")
	b.choose("Presence", "")
	b.choose("Sort by", "signal")
	b.showsRows("00c002", "00c001", "00c003")
	b.choose("Group by", "type")
	b.wait(`[...document.querySelectorAll("main h3")].map((h) => h.innerText).join() === "lamp (1),socket (2)"`)
	b.choose("Group by", "")
	b.enter("Search", "C002")
	b.showsRows("00c002")
	b.wait(`location.search.includes("search=C002")`)
	b.visit("/?search=nothing-like-that&condition=vanished")
	b.says("No device is like that")
	b.wait(`find("button.tile[aria-pressed=true]").innerText.includes("Vanished")`) // what is chosen can be taken back
	b.click("Show all devices")
	b.showsRows("00c003", "00c001", "00c002")
	b.wait(`field("Search").value === "" && location.search === ""`)
	b.visit("/?presence=OFFLINE") // what is chosen is in the address
	b.showsRows("00c003")
	b.fine()
}

// What stands still until a person looks after it is at the top of the first page.
func TestWhatStandsStillNeedsAttention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) {
		c.Plan = func(string) rollout.Plan {
			plan := rollout.AllAtOnce
			plan.Stages = []rollout.Stage{{Percent: 100}} // the first failure stops it
			return plan
		}
	})
	b := open(t, w.url())
	w.publish("socket", "v1")
	w.firmwareSeen("socket")
	w.joins("00c001", "socket", "v1", -61)
	w.joins("00c002", "socket", "v1", -62)
	w.knows(2, store.Query{Type: "socket", Presence: "ONLINE"})
	w.publish("socket", "v2")
	w.firmwareSeen("socket")
	b.visit("/")
	b.says("no roll-out stands still")
	w.says("00c001", "update/status", `{"state":"rolled-back","version":"v2","progress":100,"error":"crashed"}`)
	b.says("Roll-out stopped by failures")
	w.says("00c001", "update/status", `{"state":"idle","version":"v1","progress":0,"error":""}`) // it has looked again since
	b.wait(`text("tr[data-key='00c001']").includes("Failed with v2: rolled-back")`)
	if eval[bool](b, `text("tr[data-key='00c002']").includes("Failed")`) {
		t.Error("so has the other device")
	}
	b.clickAt(`document.querySelector("a.tile.bad[href='/rollouts/socket']")`)
	b.says("Roll-out of socket")
	b.fine()
}

func TestAFailedBuildNeedsAttention(t *testing.T) {
	t.Parallel()
	b := open(t, buildServer(t).url())
	b.visit("/")
	b.says("No device has reported yet")
	b.says("Build failed")
	b.clickAt(`document.querySelector("a.tile.bad[href='/builds/2']")`)
	b.says("'sample' was not declared")
	b.fine()
}

// What is wrong with a delta is a note, and no alarm.
func TestAnUpdateWithoutADeltaIsNoAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.joins("00c001", "socket", "v1", -61)
	whole := `{"state":"downloading","version":"v2","progress":20,"error":"malformed-delta","received":1000}`
	w.says("00c001", "update/status", whole)
	b := open(t, w.url())
	b.visit("/devices/00c001")
	b.says("Without a delta: malformed-delta.")
	b.wait(`text("h1").includes("Downloading 20 %")`)
	if eval[bool](b, `document.querySelector("main .bad") !== null`) {
		t.Error("its page looks like a failure")
	}
	w.says("00c001", "update/status", `{"state":"verifying","version":"v2","progress":100,"error":"","received":267082}`)
	w.says("00c001", "update/status", `{"state":"rolled-back","version":"v2","progress":100,"error":"crashed"}`)
	b.wait(`text(".timeline").includes(" (261 KB; without a delta: malformed-delta; crashed)")`)
	b.says("Last update: 261 KB.")
	b.fine()
}

// A development build is what it is, and no alarm, also where nothing is published for it.
func TestADevelopmentBuildIsNoAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.joins("00c001", "socket", "8a1b2c3d+dirty", -61)
	w.says("00c001", "update/status", `{"state":"failed","version":"8a1b2c3d+dirty","progress":0,"error":"http-status","http_status":404}`)
	w.joins("00c002", "socket", "v1", -61)
	w.says("00c002", "update/status", `{"state":"failed","version":"v1","progress":0,"error":"http-status","http_status":404}`)
	w.knows(1, store.Query{Condition: store.FailedUpdate}) // that is one: it waits for a release in vain
	b := open(t, w.url())
	b.visit("/")
	b.wait(`text("tr[data-key='00c001']").includes("Development build")`)
	if eval[bool](b, `document.querySelector("tr[data-key='00c001'] .bad") !== null`) {
		t.Error("it looks like a failure")
	}
	b.wait(`text("tr[data-key='00c002']").includes("Failed http-status 404")`)
	b.wait(`text("button.tile.bad").startsWith("1")`)
	b.visit("/devices/00c001")
	b.says("Development build")
	b.says("The server answered 404: nothing is published for socket.")
	if eval[bool](b, `document.querySelector("main .bad") !== null`) {
		t.Error("its page looks like a failure")
	}
	b.fine()
}

// Somebody flashed a build of a newer commit. It refuses the release, and is right.
func TestADeviceAheadOfItsReleaseIsNoAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.publish("socket", "v1")
	w.joins("00c001", "socket", "v2", -61)
	w.says("00c001", "update/status", `{"state":"failed","version":"v1","progress":0,"error":"not-newer"}`)
	w.knows(1, store.Query{Condition: store.Ahead})
	w.knows(0, store.Query{Condition: store.FailedUpdate})
	b := open(t, w.url())
	b.visit("/")
	b.wait(`text("tr[data-key='00c001']").includes("Ahead of its release")`)
	if eval[bool](b, `document.querySelector("tr[data-key='00c001'] .bad") !== null`) {
		t.Error("it looks like a failure")
	}
	b.visit("/devices/00c001")
	b.says("It runs something newer than v1, the newest release.")
	b.visit("/releases")
	b.says("Generally available")
	b.says("v1 is on 0 of 1 device")
	b.fine()
}

// What is known to fail is not asked for: browsers show it as an error.
func TestWithoutABuildServerNobodyAsksForBuilds(t *testing.T) {
	t.Parallel()
	b := open(t, house(t).url())
	for path, want := range map[string]string{"/": "of 3 online", "/releases": "Follow the roll-out", "/builds": "The build server is off", "/devices/00c001": "What it published", "/rollouts/socket": "Waits for approval"} {
		b.visit(path)
		b.says(want)
		if asked := eval[[]string](b, `performance.getEntriesByType("resource").map((e) => e.name).filter((name) => name.includes("/api/builds"))`); len(asked) > 0 {
			t.Errorf("%s asks for %v", path, asked)
		}
	}
	b.fine()
}

// buildServer is a server with three builds: one published, one failed, and one that runs.
func buildServer(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.stop()
	s, err := server.Open(w.config)
	if err != nil {
		t.Fatal(err)
	}
	buildsOf(t, s)
	w.run(s)
	return w
}

// The last build runs: its log grows on the page.
func TestBuildsAreFollowed(t *testing.T) {
	t.Parallel()
	b := open(t, buildServer(t).url())
	b.visit("/builds")
	b.says("Measure the power each second")
	b.follow("#2")
	b.says("What went wrong")
	b.says("'sample' was not declared")
	b.follow("Builds")
	b.follow("#3")
	b.says("compile file 2 of socket")
	eval[bool](b, `window.same = true`)
	b.wait(`text(".log").split("\n").length > 5`)
	if !eval[bool](b, `window.same === true && text(".log").match(/compile file 2 of/g).length === 1`) {
		t.Error("the log does not grow, but begins anew")
	}
	b.follow("Builds")
	b.click("Build now")
	b.wait(`document.querySelector("tr[data-key='4']").innerText.includes("Queued")`)
	b.fine()
}

func TestMoreDevicesAreShownWhenAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const all = 130
	w.many(all)
	b := open(t, w.url())
	b.visit("/")
	b.wait(`document.querySelectorAll("tbody tr").length === 50`)
	b.clickAt(`[...document.querySelectorAll("button")].find((e) => e.innerText.startsWith("Show more"))`)
	b.wait(`document.querySelectorAll("tbody tr").length === 130`)
	if eval[bool](b, `[...document.querySelectorAll("button")].some((e) => e.innerText.startsWith("Show more"))`) {
		t.Error("there is more to show than all")
	}
	b.fine()
}

// On a telephone and on a tablet no page scrolls sideways, however long names are, and whatever can
// be pressed is on the screen and large enough for a finger.
func TestAPhoneIsWideEnough(t *testing.T) {
	t.Parallel()
	w := room(t)
	w.says("00c002", "update/status", `{"state":"failed","version":"v2","progress":0,"error":"`+strings.Repeat("x", 64)+`"}`)
	if err := w.label("00c002", strings.Repeat("m", 64)); err != nil {
		t.Fatal(err)
	}
	b := open(t, w.url())
	for _, width := range []int64{360, 768} {
		b.size(width, 740)
		for _, path := range []string{"/", "/?by=type", "/devices/00c001", "/devices/00c002", "/releases", "/rollouts/socket", "/builds"} {
			b.visit(path)
			if wide := eval[int64](b, `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, ...[...document.querySelectorAll(".scroll")].map((e) => e.scrollWidth))`); wide > width {
				t.Errorf("%s is %d px wide, on a screen of %d", path, wide, width)
			}
			for _, outside := range eval[[]string](b, `[...document.querySelectorAll("a, button, input, select, summary")].filter((e) => {
				const r = e.getBoundingClientRect();
				return e.checkVisibility() && !e.closest(".skip") && (r.left < 0 || r.right > innerWidth || r.width === 0);
			}).map((e) => e.outerHTML)`) {
				t.Errorf("%s, %d px: out of reach: %s", path, width, outside)
			}
		}
	}
	b.size(360, 740)
	for _, path := range []string{"/", "/devices/00c001", "/rollouts/socket"} {
		b.visit(path)
		for _, small := range eval[[]string](b, `[...document.querySelectorAll("main a, nav a, button, input, select, summary")].filter((e) => {
			const about = e.closest("tr, .crumbs") && e.matches(".whole a, .crumbs a") ? e.closest("tr, .crumbs a") : e;
			return e.checkVisibility() && !e.matches("p:not(.crumbs) a, .plain a") && about.getBoundingClientRect().height < 44;
		}).map((e) => e.outerHTML)`) {
			t.Errorf("%s: too small for a finger: %s", path, small)
		}
	}

	b.visit("/")
	if tall := eval[float64](b, `document.querySelector("tr[data-key='00c001']").getBoundingClientRect().height`); tall > 70 {
		t.Errorf("a device is %g px tall", tall)
	}
	b.clickAt(`document.querySelector("tr[data-key='00c001']")`) // wherever in the row
	b.says("What it published")
	b.visit("/rollouts/socket")
	b.click("Abort")
	if !eval[bool](b, `(() => { const r = document.querySelector("dialog").getBoundingClientRect(); return r.left >= 0 && r.right <= 360; })()`) {
		t.Error("the dialog is wider than the screen")
	}
	b.click("Cancel")
	b.fine()
}

func TestTheKeyboardIsEnough(t *testing.T) {
	t.Parallel()
	w := house(t)
	b := open(t, w.url())
	b.visit("/devices/00c001")
	focused := func() string { return eval[string](b, `document.activeElement.innerText.trim()`) }
	b.press(kb.Tab)
	if focused() != "Skip to the content" {
		t.Errorf("the first is %q", focused())
	}
	if !eval[bool](b, `document.activeElement.getBoundingClientRect().left >= 0`) {
		t.Error("the link that skips is not seen when it has the focus")
	}
	b.press(kb.Enter)
	b.wait(`document.activeElement.id === "main"`)
	var order []string
	for range 4 {
		b.press(kb.Tab)
		order = append(order, focused())
		if !eval[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== "none"`) {
			t.Errorf("it is not seen that %q has the focus", focused())
		}
	}
	if got := strings.Join(order, ", "); got != "Fleet, Check now, Restart, Pin…" {
		t.Errorf("in the order %s", got)
	}
	eval[bool](b, `(find("button", "Restart").focus(), true)`)
	b.press(kb.Enter)
	b.wait(`document.querySelector("dialog[open]")?.contains(document.activeElement)`)
	for range 5 { // the dialog keeps the focus; what is in the browser's own bar is no element of the page
		b.press(kb.Tab)
		if !eval[bool](b, `document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)`) {
			t.Errorf("behind the dialog, %q has the focus", focused())
		}
	}
	b.press(kb.Escape)
	b.wait(`!document.querySelector("dialog")`)
	if focused() != "Restart" {
		t.Errorf("after the dialog, %q has the focus", focused())
	}
	b.fine()
}
