package watch

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
)

// HookPath is where webhooks are sent to.
const HookPath = "/hooks/git"

// maxHook is the longest webhook, in bytes: that of GitHub.
const maxHook = 25 << 20

// Hook answers the webhooks of GitHub, Gitea, Forgejo and GitLab. Whoever knows the secret
// makes the build server look for commits now, and can do nothing else: what the hook says is
// not read.
func (w *Watcher) Hook(secret string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			rw.Header().Set("Allow", http.MethodPost)
			http.Error(rw, "a webhook is sent with POST", http.StatusMethodNotAllowed)
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		if _, err := io.Copy(mac, http.MaxBytesReader(rw, r.Body, maxHook)); err != nil {
			http.Error(rw, "the webhook is too long", http.StatusRequestEntityTooLarge)
			return
		}
		if !signed(r.Header, secret, mac.Sum(nil)) {
			w.log.Warn("a webhook without the right signature is ignored", "remote", r.RemoteAddr)
			http.Error(rw, "the signature is missing or wrong", http.StatusForbidden)
			return
		}
		w.Look()
		rw.WriteHeader(http.StatusAccepted)
		io.WriteString(rw, "looking for new commits\n")
	})
}

// signed says whether a header proves that the sender knows the secret: GitLab sends it, the
// others HMAC-SHA-256 (RFC 2104) of the body in hexadecimal.
func signed(h http.Header, secret string, mac []byte) bool {
	if secret == "" {
		return false
	}
	for name, prefix := range map[string]string{
		"X-Hub-Signature-256": "sha256=", "X-Gitea-Signature": "", "X-Forgejo-Signature": "",
	} {
		text, found := strings.CutPrefix(h.Get(name), prefix)
		sent, err := hex.DecodeString(text)
		if found && err == nil && hmac.Equal(sent, mac) {
			return true
		}
	}
	sent, known := sha256.Sum256([]byte(h.Get("X-Gitlab-Token"))), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sent[:], known[:]) == 1
}
