package watch

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAWebhookMakesItLookIfItsSignatureIsRight(t *testing.T) {
	const secret, payload = "the webhook's secret", `{"ref":"refs/heads/main"}`
	sign := func(secret, text string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		return hex.EncodeToString(mac.Sum(nil))
	}
	for _, c := range []struct {
		name, header, value string
		status              int
	}{
		{"GitHub", "X-Hub-Signature-256", "sha256=" + sign(secret, payload), http.StatusAccepted},
		{"Gitea", "X-Gitea-Signature", sign(secret, payload), http.StatusAccepted},
		{"Forgejo", "X-Forgejo-Signature", sign(secret, payload), http.StatusAccepted},
		{"GitLab", "X-Gitlab-Token", secret, http.StatusAccepted},
		{"no signature", "X-Nothing", "", http.StatusForbidden},
		{"another secret", "X-Hub-Signature-256", "sha256=" + sign("another", payload), http.StatusForbidden},
		{"another payload", "X-Forgejo-Signature", sign(secret, payload+" "), http.StatusForbidden},
		{"no secret", "X-Gitea-Signature", sign("", payload), http.StatusForbidden},
		{"half of it", "X-Gitea-Signature", sign(secret, payload)[:32], http.StatusForbidden},
		{"empty", "X-Gitea-Signature", "", http.StatusForbidden},
		{"without its prefix", "X-Hub-Signature-256", sign(secret, payload), http.StatusForbidden},
		{"SHA-1", "X-Hub-Signature", "sha1=" + sign(secret, payload)[:40], http.StatusForbidden},
		{"another token", "X-Gitlab-Token", secret + "x", http.StatusForbidden},
		{"an empty token", "X-Gitlab-Token", "", http.StatusForbidden},
	} {
		w := &Watcher{log: slog.New(slog.DiscardHandler), look: make(chan struct{}, 1)}
		r := httptest.NewRequest(http.MethodPost, HookPath, strings.NewReader(payload))
		r.Header.Set(c.header, c.value)
		a := httptest.NewRecorder()
		w.Hook(secret).ServeHTTP(a, r)
		if looks := len(w.look) > 0; a.Code != c.status || looks != (c.status == http.StatusAccepted) {
			t.Errorf("%s: %d, and it looks: %v", c.name, a.Code, looks)
		}
		if strings.Contains(a.Body.String(), secret) {
			t.Errorf("%s: the answer tells the secret", c.name)
		}
	}
}

func TestAWebhookThatIsTooLongOrNotPostedIsRefused(t *testing.T) {
	w := &Watcher{log: slog.New(slog.DiscardHandler), look: make(chan struct{}, 1)}
	for method, status := range map[string]int{http.MethodPost: http.StatusRequestEntityTooLarge, http.MethodGet: http.StatusMethodNotAllowed} {
		r := httptest.NewRequest(method, HookPath, strings.NewReader(strings.Repeat("x", maxHook+1)))
		r.Header.Set("X-Gitlab-Token", "secret")
		a := httptest.NewRecorder()
		w.Hook("secret").ServeHTTP(a, r)
		if a.Code != status || len(w.look) > 0 {
			t.Errorf("%s: %d", method, a.Code)
		}
	}
}
