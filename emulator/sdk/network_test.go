package sdk_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"esper/emulator/network"
)

// client is a program that joins the WiFi, connects to 10.0.0.10 and says what
// happens. It calls act(event) with 'c' connected, 'r' received, 's' sent.
const client = `
static esp_tcp tcp;
static espconn conn;
static int received;
static bool inCall;
static void act(char event);
static void enter() { if (inCall) say("nested\n"); inCall = true; }
static void leave() { inCall = false; }
static void open() {
    conn.type = ESPCONN_TCP;
    conn.proto.tcp = &tcp;
    tcp.remote_port = 80;
    tcp.remote_ip[0] = 10; tcp.remote_ip[3] = 10;
    espconn_regist_connectcb(&conn, [](void* c) { enter(); say("connected %d\n", c == &conn); act('c'); leave(); });
    espconn_regist_disconcb(&conn, [](void*) { enter(); say("disconnected\n"); act('d'); leave(); });
    espconn_regist_reconcb(&conn, [](void*, int8_t error) { enter(); say("error %d\n", error); act('e'); leave(); });
    espconn_regist_sentcb(&conn, [](void*) { enter(); say("sent\n"); act('s'); leave(); });
    espconn_regist_recvcb(&conn, [](void*, char* data, unsigned short n) {
        enter();
        received += n;
        if (n > 1460) say("too much at once\n");
        act('r');
        leave();
    });
    say("connect %d %d\n", espconn_connect(&conn), espconn_connect(&conn));
}
void user_init() {
    wifi_set_event_handler_cb([](System_Event_t* e) {
        if (e->event == EVENT_STAMODE_GOT_IP) { say("ip %08x\n", e->event_info.got_ip.ip.addr); open(); }
        else if (e->event == EVENT_STAMODE_DISCONNECTED) say("wifi lost %u\n", e->event_info.disconnected.reason);
        else say("wifi %u\n", e->event);
    });
    say("connect %d\n", espconn_connect(&conn));
    join();
}
static ETSTimer timer;
`

func TestAConnectionEchoesData(t *testing.T) {
	m := program(t, client+`
static uint8_t hello[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
static void act(char event) {
    if (event == 'c') say("send %d %d\n", espconn_send(&conn, hello, sizeof hello - 1), espconn_send(&conn, hello, 1));
    if (event == 'd') say("%d bytes, send %d\n", received, espconn_send(&conn, hello, 1));
}`)
	body := append([]byte("HTTP/1.1 200 OK\r\n\r\n"), bytes.Repeat([]byte("x"), 20000)...)
	m.net.AddHost("web").Listen(80, network.Raw(body))
	m.run(5 * time.Second)
	m.expect("connect -12", "wifi 0", "ip 6400000a", "connect 0 -15", "connected 1", "send 0 -7", "sent",
		"disconnected", "20019 bytes, send -12")
}

func TestConnectionErrorsAreTheSDKs(t *testing.T) {
	nothing := "static void act(char) {}"
	for _, c := range []struct {
		name   string
		wait   time.Duration
		set    func(m *machine)
		wanted string
	}{
		{"refused", 3 * time.Second, func(m *machine) { m.net.AddHost("web").Down = true }, "error -9"},
		{"no such host", 25 * time.Second, func(*machine) {}, "error -11"},
		{"silent", 25 * time.Second, func(m *machine) { m.net.AddHost("web").Silent = true }, "error -11"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := program(t, client+nothing)
			c.set(m)
			m.run(c.wait)
			m.expect("connect -12", "wifi 0", "ip 6400000a", "connect 0 -15", c.wanted)
		})
	}
}

func TestAConnectionThatBreaksIsReported(t *testing.T) {
	m := program(t, client+`
static uint8_t hello[] = "hello";
static void act(char event) {
    if (event == 'c') start(&timer, 5000, [](void*) { say("send %d\n", espconn_send(&conn, hello, 5)); });
}`)
	web := m.net.AddHost("web")
	web.Listen(80, network.Raw("answer"))
	m.run(3 * time.Second)
	web.Silent = true
	m.run(30 * time.Second)
	m.expect("connect -12", "wifi 0", "ip 6400000a", "connect 0 -15", "connected 1", "send 0", "error -3")
}

func TestHoldClosesTheWindow(t *testing.T) {
	m := program(t, client+`
static uint8_t hello[] = "hello";
static void act(char event) {
    if (event == 'c') { espconn_send(&conn, hello, 5); espconn_recv_hold(&conn); }
    if (event == 's') start(&timer, 2000, [](void*) { say("held %d\n", received); espconn_recv_unhold(&conn); });
    if (event == 'd') say("%d\n", received);
}`)
	m.net.AddHost("web").Listen(80, network.Raw(strings.Repeat("x", 10000)))
	m.run(6 * time.Second)
	m.expect("connect -12", "wifi 0", "ip 6400000a", "connect 0 -15", "connected 1", "sent", "held 5840",
		"disconnected", "10000")
}

func TestDisconnectIsReportedLaterAndNotAllowedInItsCallback(t *testing.T) {
	m := program(t, client+`
static void act(char event) {
    static int closed;
    if (event == 'c' && !closed) start(&timer, 10, [](void*) {
        say("disconnect %d %d\n", espconn_abort(&conn), espconn_abort(&conn));
        say("connect %d\n", espconn_connect(&conn));
    });
    if (event == 'd' && !closed++) say("connect %d\n", espconn_connect(&conn));
}`)
	m.net.AddHost("web").Listen(80, network.Raw("x"))
	m.run(3 * time.Second)
	m.expect("connect -12", "wifi 0", "ip 6400000a", "connect 0 -15", "connected 1", "disconnect 0 -5", "connect -15", "disconnected", "connect 0",
		"connected 1")

	m = program(t, client+`static void act(char event) { if (event == 'c') espconn_abort(&conn); }`)
	m.net.AddHost("web").Listen(80, network.Raw("x"))
	m.run(1700 * time.Millisecond)
	m.expectText("espconn_abort is called from a callback of its connection")
}

func TestTheWiFiComesAndGoes(t *testing.T) {
	m := program(t, client+"static void act(char) {}")
	m.net.SetAccessPoint(false)
	m.run(1100 * time.Millisecond)
	m.expect("connect -12", "wifi lost 201")
	m.net.SetAccessPoint(true)
	m.net.AddHost("web").Listen(80, network.Raw("x"))
	m.run(3 * time.Second)
	m.net.SetAccessPoint(false)
	m.run(100 * time.Millisecond)
	m.expect("connect -12", "wifi lost 201", "wifi 0", "ip 6400000a", "connect 0 -15", "connected 1", "wifi lost 200")
}

func TestNamesAreLookedUp(t *testing.T) {
	m := program(t, client+`
static ip_addr_t address;
static void found(const char* name, ip_addr_t* a, void* c) { say("%s %08x %d\n", name, a ? a->addr : 0, c == &conn); }
static void act(char event) {
    if (event != 'c') return;
    say("%d ", espconn_gethostbyname(&conn, "1.2.3.4", &address, found));
    say("%08x\n", address.addr);
    say("%d\n", espconn_gethostbyname(&conn, "web", &address, found));
    say("%d\n", espconn_gethostbyname(&conn, "nobody", &address, found));
}`)
	m.net.AddHost("web").Listen(80, network.Raw("x"))
	m.run(3 * time.Second)
	m.expect("connect -12", "wifi 0", "ip 6400000a", "connect 0 -15", "connected 1",
		"0 04030201", "-5", "-5", "web 0a00000a 1", "nobody 00000000 1")
}

func TestDataMayNotChangeWhileTheyAreSent(t *testing.T) {
	m := program(t, client+`
static uint8_t hello[] = "hello";
static void act(char event) { if (event == 'c') { espconn_send(&conn, hello, 5); hello[0] = 'j'; } }`)
	m.net.AddHost("web").Listen(80, network.Raw("x"))
	m.run(1700 * time.Millisecond)
	m.expectText("the data of espconn_send have changed before they were sent")
}
