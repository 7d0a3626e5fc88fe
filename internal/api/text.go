package api

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"esper/internal/access"
)

// textOnly refuses requests for what is no text: PostgreSQL takes neither NUL nor what is not
// UTF-8, and SQLite takes NUL for the end.
func textOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		good := err == nil && isText(r.URL.Path)
		for name, values := range query {
			good = good && isText(name) && isText(strings.Join(values, ""))
		}
		if !good {
			access.Problem(w, http.StatusBadRequest, "the address holds NUL, what is not UTF-8, or a query that is none")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
