package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"esper/internal/client"
	"esper/internal/conductor"
	"esper/internal/site"
	"esper/internal/store"
	"esper/internal/textfile"
	"esper/internal/watch"
)

// serverFlags say which server a command talks to, and as whom.
type serverFlags struct {
	Site      string `default:"." placeholder:"DIR" help:"The site (default: the folder you are in, or above it)."`
	Server    string `env:"ESPER_SERVER" placeholder:"URL" help:"The server (default: http://127.0.0.1 with the port in the site's update.url)."`
	TokenFile string `env:"ESPER_TOKEN_FILE" placeholder:"FILE" help:"File with the token to show the server (default: the token in ESPER_TOKEN, if any)."`
}

// client returns who asks the server.
func (f *serverFlags) client() (*client.Client, error) {
	u, err := f.url()
	if err != nil {
		return nil, err
	}
	token, err := f.token()
	return &client.Client{Server: u, Token: token}, err
}

// url returns where the server is.
func (f *serverFlags) url() (*url.URL, error) {
	if f.Server != "" {
		return parseServer(f.Server)
	}
	opened, err := site.Open(f.Site)
	if errors.Is(err, site.ErrNoSite) {
		return nil, hint(err, "outside a site, name the server: --server http://127.0.0.1:8080")
	}
	if err != nil {
		return nil, err
	}
	return defaultServer(opened), nil
}

// parseServer reads the URL of a server on the command line.
func parseServer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("server %q should be http://host:port or https://host", text)
	}
	return u, nil
}

// defaultServer returns where a site's server is if nobody says otherwise.
func defaultServer(s *site.Site) *url.URL {
	port := s.Config.Update.Port
	if s.Config.Update.URL == "" {
		port = 8080
	}
	return &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(int(port))}
}

// instead implements siteless.
func (f *serverFlags) instead() string {
	if f.Server != "" {
		return "--server (or ESPER_SERVER)"
	}
	return ""
}

// maxToken is the longest token, in bytes.
const maxToken = 4096

// token returns the token to show the server, empty if there is none. It is never on the
// command line, where others on the machine could read it.
func (f *serverFlags) token() (string, error) {
	text := os.Getenv("ESPER_TOKEN")
	if f.TokenFile != "" {
		content, err := textfile.Read(f.TokenFile, maxToken)
		if err != nil {
			return "", err
		}
		text = string(content)
	}
	token := strings.TrimSpace(text)
	if len(text) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", hint(errors.New("that is no token, in --token-file or ESPER_TOKEN"), "it is one line, as it was shown when it was made")
	}
	return token, nil
}

// What to do about what there is not.
const (
	noTypeHint  = "'esper releases' lists what is published"
	noBuildHint = "'esper builds' lists those that are kept"
)

// serverAdvice says what to do about an error of a server, if there is something to say.
func serverAdvice(err error) string {
	var unreachable *client.UnreachableError
	var foreign *client.ForeignError
	var problem *client.Problem
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "look at the clocks of both machines; if they are right, renew the server's certificate"
	case errors.As(err, &untrusted):
		return "this computer does not trust the server's certificate for that name; if it is of your own authority, SSL_CERT_FILE=root.pem names that"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "there it speaks no TLS: ask http://…, or the port of 'esper serve --https'"
	case errors.As(err, &unreachable):
		return "is it running? 'esper serve' in the site's folder starts one; --server names another"
	case errors.As(err, &foreign) && strings.HasPrefix(foreign.Status, "400") && strings.HasPrefix(foreign.Server, "http:"):
		return "perhaps it speaks TLS there: ask https://…; --server names another server"
	case errors.As(err, &foreign):
		return "an older 'esper serve' has no API; --server names another server"
	case errors.As(err, &problem) && problem.Status == http.StatusUnauthorized:
		return "show a token: in a file, --token-file FILE, or in ESPER_TOKEN; 'esper token add' on the server makes one"
	case errors.As(err, &problem) && problem.Status == http.StatusForbidden && strings.Contains(problem.Detail, "has no tokens"):
		return "then show it, --token-file FILE, over TLS; or come through a tunnel: ssh -L 8080:127.0.0.1:8080 SERVER"
	case errors.As(err, &problem) && problem.Status == http.StatusForbidden && strings.Contains(problem.Detail, "with the role"):
		return "'esper token add NAME --role ROLE' on the server makes a token with another role"
	case errors.As(err, &problem) && problem.Status == http.StatusNotFound && strings.Contains(problem.Detail, store.ErrNoDevice.Error()):
		return "'esper devices' lists all that have reported"
	case errors.As(err, &problem) && strings.Contains(problem.Detail, conductor.ErrNoRelease.Error()):
		return "'esper releases' lists those that are kept"
	case errors.As(err, &problem) && strings.Contains(problem.Detail, conductor.ErrNoType.Error()):
		return noTypeHint
	case errors.As(err, &problem) && strings.Contains(problem.Detail, watch.ErrNoBuild.Error()):
		return noBuildHint
	case errors.As(err, &problem) && problem.Status == http.StatusForbidden && strings.Contains(problem.Detail, "TLS"):
		return "ask https://…, for which 'esper serve' has --https; or a tunnel, ssh -L"
	}
	return ""
}
