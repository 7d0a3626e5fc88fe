package dashboard_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"esper/internal/access"
	"esper/internal/server"
)

// signIn signs in with a token at the page that is shown.
func (b *tab) signIn(token string) {
	b.t.Helper()
	b.enter("Token", token)
	b.click("Sign in")
}

// cookie is the session's cookie, nil if there is none.
func (b *tab) cookie() (session *network.Cookie) {
	b.t.Helper()
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		all, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
		for _, c := range all.Cookies {
			session = c
		}
		return err
	})
	return session
}

func TestWhoSignsInMayDoWhatTheTokenMay(t *testing.T) {
	t.Parallel()
	w := house(t)
	viewer, operator := w.token("eve", access.Viewer), w.token("ada", access.Operator)
	b := openAlone(t, w.url())
	b.visit("/devices/00c001")
	b.signIn("esper_wrong")
	b.says("not known to the server")
	if eval[string](b, `document.getElementById("token").value`) != "" && b.cookie() != nil {
		t.Error("a wrong token begins a session")
	}

	b.signIn(viewer)
	b.says("What it published")
	b.says("eve")
	c := b.cookie()
	if c == nil || !c.HTTPOnly || c.SameSite != network.CookieSameSiteStrict || strings.Contains(c.Value, viewer) {
		t.Errorf("the cookie: %+v", c)
	}
	if eval[string](b, `document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })`) != "{}" {
		t.Error("scripts see the session, or something of it is kept")
	}
	for _, name := range []string{"Check now", "Restart", "Pin…", "Hold", "Name…"} {
		if !eval[bool](b, `(() => { const e = find("button", `+quote(name)+`); return e.disabled && e.title.includes("operator"); })()`) {
			t.Errorf("a viewer may press %q", name)
		}
	}
	if !eval[bool](b, `find("[role=switch]", "relay of 00c001").disabled`) {
		t.Error("a viewer may switch")
	}

	b.visit("/") // the session is still there
	b.says("of 3 online")
	b.click("Sign out")
	b.says("Made on the server")
	if b.cookie() != nil {
		t.Error("the cookie is still there")
	}
	b.visit("/")
	b.signIn(operator)
	b.says("of 3 online")
	b.follow("00c001")
	b.click("Hold")
	b.says("Hold no longer")
	b.says("● Live")

	b.click("Name…")
	if err := w.server.Store().RemoveToken(t.Context(), "ada", "test"); err != nil {
		t.Fatal(err)
	}
	w.untilEvery(lookAtTokens, "the token is not known", func() bool {
		q, _ := http.NewRequest("GET", w.url()+"/session", nil)
		q.Header.Set("Authorization", "Bearer "+operator)
		a, err := http.DefaultClient.Do(q)
		if err == nil {
			a.Body.Close()
		}
		return err == nil && a.StatusCode == http.StatusUnauthorized
	})
	w.says("00c001", "status", "OFFLINE") // the page is read again
	b.says("Made on the server")
	b.wait(`!document.querySelector("dialog") && document.activeElement.id === "token"`)
	b.signIn(viewer)
	b.says("What it published") // where it was
	b.fine()
}

// What the page of another site sends is refused, with the session's cookie and without.
func TestOtherSitesUseNoSession(t *testing.T) {
	t.Parallel()
	w := house(t)
	token := w.token("ada", access.Operator)
	answer, err := http.Post(w.url()+"/session", "application/json", strings.NewReader(`{"token":"`+token+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent || len(answer.Cookies()) != 1 {
		t.Fatalf("sign-in: %s %v", answer.Status, answer.Cookies())
	}
	session := answer.Cookies()[0]
	for _, c := range []struct {
		method, path, header, value string
		want                        int
	}{
		{"GET", "/api/summary", "", "", 200},
		{"POST", "/api/devices/00c001/hold", "Sec-Fetch-Site", "same-origin", 200},
		{"POST", "/api/devices/00c001/hold", "Origin", w.url(), 200},
		{"POST", "/api/devices/00c001/hold", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "/api/devices/00c001/hold", "Sec-Fetch-Site", "same-site", 403},
		{"POST", "/api/devices/00c001/hold", "Origin", "http://evil.example", 403},
		{"POST", "/api/devices/00c001/hold", "Origin", "null", 403},
		{"GET", "/api/devices", "Sec-Fetch-Site", "cross-site", 403},
		{"GET", "/api/events", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "/session", "Sec-Fetch-Site", "cross-site", 403},
		{"DELETE", "/session", "Origin", "http://evil.example", 403},
	} {
		body := strings.NewReader("")
		if c.path == "/session" && c.method == "POST" {
			body = strings.NewReader(`{"token":"` + token + `"}`)
		}
		q, err := http.NewRequest(c.method, w.url()+c.path, body)
		if err != nil {
			t.Fatal(err)
		}
		q.AddCookie(session)
		if c.header != "" {
			q.Header.Set(c.header, c.value)
		}
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != c.want {
			t.Errorf("%s %s with %s %s: %s, want %d", c.method, c.path, c.header, c.value, a.Status, c.want)
		}
	}

	// And a browser that is signed in does not even send the cookie there.
	b := openAlone(t, w.url())
	b.visit("/")
	b.signIn(token)
	b.says("of 3 online")
	elsewhere := strings.Replace(w.url(), "127.0.0.1", "localhost", 1) // another site, to a browser
	if err := chromedp.Do(b.ctx, chromedp.Navigate(elsewhere+"/healthz")); err != nil {
		t.Fatal(err)
	}
	if got := eval[string](b, `fetch(`+quote(w.url()+"/api/devices/00c002/hold")+`, { method: "POST", credentials: "include", mode: "no-cors" }).then((a) => a.type, (e) => "refused")`); got == "basic" {
		t.Errorf("another site reads %s", got)
	}
	if why, err := w.server.Conductor().Why("00c002"); err != nil || why.Device.Held {
		t.Errorf("another site holds a device: %+v %v", why, err)
	}
}

// from has the browser come from another computer, by a proxy.
func (b *tab) from(address string) {
	b.t.Helper()
	b.call(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"X-Forwarded-For": address}})
		return err
	})
}

// A server without a screen is first seen from another computer.
func TestFromAnotherComputerThePageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const command = "esper token add NAME --role operator --site /srv/home"
	for _, plain := range []bool{false, true} {
		w := newWorld(t, func(c *server.Config) { c.PlainAPI = plain })
		w.stop()
		s, err := server.Open(w.config)
		if err != nil {
			t.Fatal(err)
		}
		s.Guard().Opening.Token = command
		w.run(s)
		b := openAlone(t, w.url())
		b.from("192.168.1.5")
		b.visit("/")
		b.says("This server answers only its own machine yet")
		b.says(command)
		for text, want := range map[string]bool{"esper serve --https :8443": !plain, "ssh -N -L 8080:127.0.0.1:": !plain, "at the server itself": true, "I have a token now": plain} {
			if got := eval[bool](b, `text().includes(`+quote(text)+`)`); got != want {
				t.Errorf("plain %v: says %q: %v\n%s", plain, text, got, eval[string](b, `text()`))
			}
		}
		token := w.token("ada", access.Operator)
		if plain {
			b.click("I have a token now")
		} else {
			b.click("Try again") // the proxy has a certificate now
		}
		b.signIn(token)
		b.says("No device has reported yet")
		b.fine()
	}
}
