package access

import (
	"encoding/json"
	"net/http"
	"net/netip"
)

// Opening is how a server comes to answer others than its own machine. Whoever is refused because
// it does not is told, so that a page in a browser elsewhere can say what to do on the server.
type Opening struct {
	// Token is the command that makes the first token. It names where the server keeps its data,
	// and no secret.
	Token string
	// HTTPS is the port where the API answers over TLS; 0: there is none.
	HTTPS int
}

// TokenCommand is the command that makes an operator's token in the folder of the site.
const TokenCommand = "esper token add NAME --role operator"

// closed is a refusal of a request that could be let in if the server were opened. Under a name, the
// command does not say where the server keeps its data: a web page that lets its own name resolve to
// this machine (DNS rebinding) could read the answer, and under an address none can.
func (g *Guard) closed(r *http.Request, detail string, needsToken bool) error {
	how := &howToOpen{TLS: !g.Plain, HTTPS: g.Opening.HTTPS}
	if needsToken {
		how.Token = TokenCommand
		if g.Opening.Token != "" && isAddress(r.Host) {
			how.Token = g.Opening.Token
		}
		detail += "; on the server, '" + how.Token + "' makes one"
	}
	return &refusal{http.StatusForbidden, detail, how}
}

// isAddress reports whether a host, with or without a port, is an IP address.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(withoutPort(host))
	return err == nil
}

// howToOpen is what a problem says beyond its detail (RFC 9457, section 3.2).
type howToOpen struct {
	Token string `json:"token,omitempty"` // the command, if there is no token yet
	TLS   bool   `json:"tls"`             // from elsewhere tokens are taken over TLS only
	HTTPS int    `json:"https,omitempty"`
}

// problemOf answers with why a request is refused.
func problemOf(w http.ResponseWriter, status int, detail string, opening *howToOpen) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct {
		Title   string     `json:"title"`
		Status  int        `json:"status"`
		Detail  string     `json:"detail"`
		Opening *howToOpen `json:"opening,omitempty"`
	}{http.StatusText(status), status, detail, opening})
}
