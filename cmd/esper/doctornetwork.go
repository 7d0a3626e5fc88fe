package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"esper/internal/broker"
	"esper/internal/site"
)

// askTime is how long a server may take to answer.
const askTime = 5 * time.Second

// clockError is how much the clock may differ from a server's, whose answer has whole seconds.
const clockError = 10 * time.Second

// checkAddresses looks at whether a chip can reach the addresses in esper.toml.
func (d doctor) checkAddresses(ctx context.Context) []diagnosis {
	var list []diagnosis
	bad := warn // emulated devices reach them
	if d.site.Config.SDK != "" {
		bad = fail
	}
	for _, text := range d.site.Config.Unreachable() {
		detail, next, _ := strings.Cut(text, "; ")
		list = append(list, diagnosis{"addresses", bad, detail, next})
	}
	config := d.site.Config
	for _, named := range []struct{ key, host string }{{"mqtt.url", config.MQTT.Host}, {"update.url", config.Update.Host}} {
		if _, err := netip.ParseAddr(named.host); err == nil || named.host == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, askTime)
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", named.host)
		cancel()
		if err == nil && len(found) == 0 {
			err = errors.New("no IPv4 address")
		}
		if err != nil {
			list = append(list, diagnosis{"addresses", fail, fmt.Sprintf("%s: %s has no address: %s", named.key, named.host, oneLine(err)),
				"give an IPv4 address, or a name that your network's DNS server knows"})
		}
	}
	if list == nil {
		list = append(list, diagnosis{"addresses", ok, "a chip can reach them", ""})
	}
	return list
}

// checkBroker logs in at the broker as a device does.
func (d doctor) checkBroker(ctx context.Context) []diagnosis {
	if d.site.Unlocked(site.MQTTPassword) != nil {
		return []diagnosis{{"broker", notChecked, "its password cannot be read here", ""}}
	}
	u := brokerURL(d.site.Config.MQTT)
	err := broker.Probe(ctx, u)
	refused, ownOnly := errors.Is(err, broker.ErrNotAuthorised), d.site.Config.MQTT.OwnOnly
	switch {
	case refused && ownOnly:
		return []diagnosis{{"broker", ok, "mqtt://" + u.Host + " refuses the shared password", ""}}
	case err == nil && ownOnly:
		return []diagnosis{{"broker", warn, "mqtt://" + u.Host + " takes the shared password, against mqtt.shared",
			"start 'esper serve' again; for Mosquitto 'esper passwords mosquitto FILE' tells it"}}
	case refused:
		return []diagnosis{{"broker", fail, oneLine(err), "user and password in mqtt.url, or the secret " + site.MQTTPassword + ", must be those that the broker knows"}}
	case err != nil:
		return []diagnosis{{"broker", fail, oneLine(err), "is it running? 'esper serve' in the site's folder starts one"}}
	}
	return []diagnosis{{"broker", ok, "mqtt://" + u.Host + " lets devices in", ""}}
}

// ask asks a server for something, without a proxy and without following it elsewhere, as devices
// do. It returns the beginning of the answer's text.
func ask(ctx context.Context, address string) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the whole URL again
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer in %s", askTime)
	}
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	return answer, strings.TrimSpace(string(text)), err
}

// checkUpdates asks the update URL for the version file of each device type.
func (d doctor) checkUpdates(ctx context.Context) []diagnosis {
	base := d.site.Config.Update.URL
	if base == "" {
		return []diagnosis{{"update URL", notChecked, "esper.toml names none, so devices do not update", ""}}
	}
	var missing []string
	for _, t := range d.site.Types {
		answer, _, err := ask(ctx, base+"/"+t.Name+".version")
		switch {
		case err != nil:
			return []diagnosis{{"update URL", fail, fmt.Sprintf("%s: %s", base, oneLine(err)), "is it running? 'esper serve' in the site's folder serves it"}}
		case answer.StatusCode == http.StatusNotFound:
			missing = append(missing, t.Name)
		case answer.StatusCode != http.StatusOK:
			return []diagnosis{{"update URL", fail, fmt.Sprintf("%s/%s.version answers %d %s", base, t.Name, answer.StatusCode, http.StatusText(answer.StatusCode)),
				"update.url must lead to the folder with the releases, without a redirect or a login"}}
		}
	}
	if len(missing) > 0 {
		return []diagnosis{{"update URL", warn, fmt.Sprintf("%s answers, but has no release of %s", base, strings.Join(missing, ", ")), "'esper release' publishes them"}}
	}
	return []diagnosis{{"update URL", ok, base + " has a release of each device type", ""}}
}

// checkServer asks the server how it is, and what time it is there.
func (d doctor) checkServer(ctx context.Context) []diagnosis {
	if d.site == nil && d.server == "" {
		return []diagnosis{{"server", notChecked, noSite + ", or --server", ""}, {"clock", notChecked, "takes a server to compare with", ""}}
	}
	address := d.server
	if address == "" {
		address = defaultServer(d.site).String()
	}
	u, err := parseServer(address)
	if err != nil {
		return []diagnosis{failed("server", err)}
	}
	answer, text, err := ask(ctx, u.JoinPath("healthz").String())
	list := []diagnosis{serverDiagnosis(u, answer, text, err)}
	return append(list, d.checkClock(ctx, answer))
}

// serverDiagnosis says what the server's answer means.
func serverDiagnosis(u *url.URL, answer *http.Response, text string, err error) diagnosis {
	name := u.Redacted()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return diagnosis{"server", warn, "no server answers at " + name, "'esper serve' in the site's folder starts one; --server names another"}
	case err != nil:
		return diagnosis{"server", fail, name + ": " + oneLine(err), "--server names the server"}
	case answer.StatusCode == http.StatusServiceUnavailable:
		return diagnosis{"server", fail, name + ": " + printable(text), "its log says more"}
	case answer.StatusCode != http.StatusOK || text != "ok":
		return diagnosis{"server", warn, name + " answers, but is no 'esper serve'", "right for a web server that only serves releases; --server names the server"}
	}
	return diagnosis{"server", ok, name + " is well", ""}
}

// checkClock compares the clock with that of the server, or else that of the update URL.
func (d doctor) checkClock(ctx context.Context, answer *http.Response) diagnosis {
	from := "the server's"
	if answer == nil && d.site != nil && d.site.Config.Update.URL != "" {
		from = "that of " + d.site.Config.Update.Host
		answer, _, _ = ask(ctx, d.site.Config.Update.URL+"/")
	}
	if answer == nil {
		return diagnosis{"clock", notChecked, "no server answers to compare it with", ""}
	}
	there, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return diagnosis{"clock", notChecked, "the server does not say what time it is", ""}
	}
	return clockDiagnosis(from, time.Since(there).Round(time.Second))
}

// clockDiagnosis says what a difference to another clock means.
func clockDiagnosis(from string, ahead time.Duration) diagnosis {
	if ahead.Abs() > clockError {
		return diagnosis{"clock", warn, fmt.Sprintf("%s off %s: one of them is wrong", ahead.Abs(), from), "let both follow NTP: timedatectl set-ntp true"}
	}
	return diagnosis{"clock", ok, fmt.Sprintf("within %s of %s", clockError, from), ""}
}
