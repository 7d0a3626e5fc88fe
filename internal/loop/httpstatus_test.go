package loop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esper/emulator/network"
)

// forms are what can follow a status line: the forms that a body can have (RFC 9112,
// section 6.3), and some that it cannot. firmware/test/http_test.cpp has more.
var forms = map[string]string{
	"a length":        "Content-Length: 5\r\n\r\nhello",
	"nothing":         "\r\n",
	"up to the end":   "Connection: close\r\n\r\nhello",
	"chunks":          "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"two lengths":     "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	"headers, no end": "X-More: of it\r\n",
}

// odd is a web server that gives odd answers: the first to a request that contains a text, each
// further one to the next request for an image.
type odd struct {
	*network.Web
	to      string
	answers []string
}

func (o *odd) Receive(c network.Conn, data []byte) {
	if len(o.answers) == 0 || !strings.Contains(string(data), o.to) {
		o.Web.Receive(c, data)
		return
	}
	c.Send([]byte(o.answers[0]))
	c.Close()
	o.to, o.answers = ".rom1?", o.answers[1:]
}

// What SPEC 10 says of a status is so whatever form the body has, at each request that a device
// makes: for the version file, for an image, and for the rest of one.
func TestTheStatusDecidesWhateverTheBodyLooksLike(t *testing.T) {
	t.Parallel()
	const early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nTransfer-Encoding: chunked\r\n\r\n"
	for phase, request := range map[string]string{"version file": ".version", "image": ".rom1?", "rest of an image": "\r\nRange: "} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			w, d := resuming(t, 0)
			w.publishDownloaded("socket", "v2", 2)
			server := &odd{Web: w.web}
			w.webHost.Replace(80, server)
			for _, status := range []int{206, 304, 404, 416, 502, 600} {
				resumed := phase != "version file" && status >= 500 || phase == "rest of an image" && status == 416
				if phase == "rest of an image" {
					w.webHost.CutAfter = 20000
					if status == 206 {
						continue // as asked for, so the form of its body does matter
					}
				}
				for form, rest := range forms {
					w.RunFor(6 * time.Second) // or the next trigger has to wait
					server.to = request
					server.answers = []string{
						fmt.Sprintf("%sHTTP/1.1 %d X\r\n%s", strings.Repeat(early, len(form)%3), status, rest),
						"HTTP/1.1 410 Gone\r\n\r\n", // ends it, if it goes on
					}
					from, want := len(w.updates[d.ID()]), status
					if resumed {
						want = 410
					}
					w.notify()
					w.expect(fmt.Sprintf("%d with %s: an end", status, form), time.Minute, func() bool {
						return len(w.updates[d.ID()]) > from+1 && w.lastUpdate(d).State == "failed"
					})
					if u := w.lastUpdate(d); u.Error != "http-status" || u.HTTPStatus != want {
						t.Errorf("%d with %s: it reports %+v, want http-status %d", status, form, u, want)
					}
				}
			}
			w.webHost.CutAfter, server.answers = 0, nil
			w.RunFor(6 * time.Second)
			w.notify()
			w.expect("v2 runs", time.Minute, func() bool { return w.runs(d, "v2") })
		})
	}
}
