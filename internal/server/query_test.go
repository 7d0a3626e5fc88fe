package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"esper/internal/access"
)

// Every parameter of every query is refused with a value that it cannot have, by an answer that the
// document names; and what it can have is taken.
func TestQueriesAreChecked(t *testing.T) {
	s, _ := operated(t)
	_, text := get(t, s, "/api/openapi.json")
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name, In string
				Schema   struct {
					Type, Format     string
					Pattern          string
					Enum             []string
					Minimum, Maximum *float64
				}
			}
			Responses map[string]any
		}
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for path, methods := range document.Paths {
		at := strings.NewReplacer("{id}", "00c0de", "{type}", "socket", "{number}", "1").Replace(path)
		for method, o := range methods {
			if strings.HasSuffix(path, "/events") {
				continue // which does not end
			}
			answer := func(query string) int {
				q, err := http.NewRequest(strings.ToUpper(method), "http://"+s.HTTPAddr().String()+at+"?"+query, nil)
				if err != nil {
					t.Fatal(err)
				}
				a, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				a.Body.Close()
				if o.Responses[strconv.Itoa(a.StatusCode)] == nil {
					t.Errorf("%s %s?%s: answered %d, which the document does not name", method, at, query, a.StatusCode)
				}
				tried++
				return a.StatusCode
			}
			refused := func(query string, status int) {
				t.Helper()
				if got := answer(query); got != status {
					t.Errorf("%s %s?%s: %d, want %d", method, at, query, got, status)
				}
			}
			refused("no-such-parameter=1", 422)
			refused("x=%zz", 400)
			refused("x=%00", 400)
			for _, p := range o.Parameters {
				if p.In != "query" {
					continue
				}
				good := "socket"
				var wrong []string
				switch {
				case p.Schema.Format == "date-time":
					good, wrong = "2026-01-02T03:04:05Z", []string{"yesterday", "2026-01-02", "0"}
				case len(p.Schema.Enum) > 0:
					good, wrong = p.Schema.Enum[0], []string{"no-such-value"}
				case p.Schema.Type == "integer":
					good, wrong = "1", []string{"-1", "18446744073709551616", "9223372036854775808", "1e3", "0x1", "1.5"}
					if p.Schema.Maximum != nil {
						wrong = append(wrong, strconv.FormatFloat(*p.Schema.Maximum+1, 'f', 0, 64))
					}
				case p.Schema.Pattern != "": // a chip id
					good, wrong = "00c0de", []string{"00C0DE", "c0de", "00c0de0"}
				case p.Schema.Type == "boolean":
					good, wrong = "true", []string{"perhaps"}
				}
				refused(p.Name+"=", 422)
				refused(p.Name, 422)
				refused(p.Name+"="+good+"&"+p.Name+"="+good, 422)
				for _, value := range wrong {
					refused(p.Name+"="+value, 422)
				}
				if method == "get" && good != "" {
					if got := answer(p.Name + "=" + good); got != 200 && got != 404 {
						t.Errorf("%s?%s=%s: %d", at, p.Name, good, got)
					}
				}
			}
		}
	}
	if tried < 200 {
		t.Errorf("%d queries: that tested little", tried)
	}
}

// A request that is far too long is answered, to a client that reads nothing before it has sent
// all.
func TestARequestThatIsTooLongIsAnswered(t *testing.T) {
	s := trusting(t)
	token := addToken(t, s, "ci", access.Publisher)
	eventuallyAnswers(t, s, token, "/api/releases", 200)
	const length = 30 << 20
	for name, test := range map[string]struct {
		path, token string
		want        int
	}{
		"an upload":                 {"releases/socket", token, http.StatusRequestEntityTooLarge},
		"a request":                 {"builds", token, http.StatusRequestEntityTooLarge},
		"an upload without a token": {"releases/socket", "none", http.StatusUnauthorized},
	} {
		c, err := net.Dial("tcp", s.HTTPAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST /api/%s HTTP/1.1\r\nHost: esper\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=x\r\n"+
			"Content-Length: %d\r\n\r\n", test.path, test.token, length)
		if _, err := c.Write(make([]byte, length)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", name, a.StatusCode, test.want)
		}
	}
}
