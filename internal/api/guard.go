package api

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"
)

// guard lets only programs on the same machine in. A web page in a browser there is not the
// person in front of it, so requests that a page elsewhere causes are refused: those that
// browsers mark as such, and those to a name that somebody lets resolve to this machine.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := against(r); why != "" {
			refuse(w, http.StatusForbidden, why)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// against says why a request is refused, if so.
func against(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return "the API answers only its own machine, at 127.0.0.1, as long as it has no access control; " +
			"from elsewhere, use a tunnel such as ssh -L"
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(header) != "" {
			return "the API is not to be reached through a proxy, since it has no access control; this request has " + header
		}
	}
	if !isLocal(r.Host) {
		return "the API answers only at localhost or a loopback address, not as another host; is a web page behind this?"
	}
	site := r.Header.Get("Sec-Fetch-Site")
	origin := r.Header.Get("Origin")
	if site != "" && site != "same-origin" && site != "none" || origin != "" && origin != "http://"+r.Host {
		return "a web page from elsewhere may not use the API"
	}
	return ""
}

// isLocal says whether a host, with or without a port, is this machine by any resolver.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// refuse answers with a problem (RFC 9457), as huma does.
func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}
