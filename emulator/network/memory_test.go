package network

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// events polls a link every 100 us up to a time and lists what happens.
func events(l Link, from, to time.Duration) []string {
	var all []string
	for now := from; now <= to; now += 100 * time.Microsecond {
		for {
			e, ok := l.Poll(now)
			if !ok {
				break
			}
			switch e.Kind {
			case Data:
				all = append(all, fmt.Sprintf("data %d", len(e.Data)))
			case Failed:
				all = append(all, fmt.Sprintf("failed %d", e.Error))
			case Resolved:
				all = append(all, fmt.Sprintf("resolved %v %d", e.IP, e.Error))
			default:
				all = append(all, [...]string{"", "connected", "", "sent", "closed"}[e.Kind])
			}
		}
	}
	return all
}

func expectEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func newPair(answer string) (*Memory, *Host, *MemoryLink) {
	m := NewMemory()
	h := m.AddHost("web")
	h.Listen(80, Raw(answer))
	return m, h, m.Link()
}

func TestDataArriveAfterLatencyAndAirtime(t *testing.T) {
	m, h, l := newPair(strings.Repeat("x", 3000))
	l.Connect(0, 1, h.IP, 80)
	expectEvents(t, events(l, 0, 4*time.Millisecond))
	expectEvents(t, events(l, 0, 5*time.Millisecond), "connected")
	l.Send(m.Now(), 1, []byte("go"))
	begin := m.Now()
	got := events(l, begin, begin+14*time.Millisecond)
	expectEvents(t, got, "sent", "data 1460") // 6 ms a segment at 2 Mbit/s
	got = events(l, begin, begin+50*time.Millisecond)
	expectEvents(t, got, "data 1460", "data 80", "closed")
}

func TestNobodyListeningRefusesAndNobodyThereTimesOut(t *testing.T) {
	_, h, l := newPair("")
	l.Connect(0, 1, h.IP, 81)
	l.Connect(0, 2, [4]byte{9, 9, 9, 9}, 80)
	expectEvents(t, events(l, 0, time.Second), fmt.Sprint("failed ", int(Refused)))
	expectEvents(t, events(l, time.Second, Patience+2*time.Second), fmt.Sprint("failed ", int(Timeout)))
}

func TestNamesOfHostsAreKnown(t *testing.T) {
	_, _, l := newPair("")
	l.Resolve(0, 1, "web")
	l.Resolve(0, 2, "nobody")
	expectEvents(t, events(l, 0, time.Second), "resolved [10 0 0 10] 0", "resolved [0 0 0 0] 1")
}

func TestWhatIsLostIsSentAgainInOrder(t *testing.T) {
	m, h, l := newPair("answer")
	got := &recorder{}
	h.Listen(7, got)
	l.Connect(0, 1, h.IP, 7)
	expectEvents(t, events(l, 0, 10*time.Millisecond), "connected")
	h.Silent = true
	l.Send(m.Now(), 1, []byte("a"))
	expectEvents(t, events(l, m.Now(), m.Now()+1500*time.Millisecond))
	h.Silent = false
	l.Send(m.Now(), 1, []byte("b"))
	expectEvents(t, events(l, m.Now(), m.Now()+2*time.Second), "sent", "sent")
	if got.text != "ab" {
		t.Errorf("it got %q", got.text)
	}
}

func TestAConnectionIsCutAfterSoManyBytes(t *testing.T) {
	m, h, l := newPair(strings.Repeat("x", 10000))
	h.CutAfter = 2000
	l.Connect(0, 1, h.IP, 80)
	events(l, 0, 10*time.Millisecond)
	l.Send(m.Now(), 1, []byte("go"))
	expectEvents(t, events(l, m.Now(), m.Now()+time.Second), "sent", "data 1460", "data 540", fmt.Sprint("failed ", int(Reset)))
}

func TestAHostThatGoesDownResets(t *testing.T) {
	m, h, l := newPair("")
	h.Listen(7, &recorder{})
	l.Connect(0, 1, h.IP, 7)
	events(l, 0, 10*time.Millisecond)
	m.SetDown(h, true)
	expectEvents(t, events(l, m.Now(), m.Now()+time.Second), fmt.Sprint("failed ", int(Reset)))
}

func TestARestartedDeviceIsNoticedWhenTheHostSends(t *testing.T) {
	m, h, l := newPair("")
	r := &recorder{}
	h.Listen(7, r)
	l.Connect(0, 1, h.IP, 7)
	events(l, 0, 10*time.Millisecond)
	l.Restart(m.Now())
	if events(l, m.Now(), m.Now()+time.Second); r.closed {
		t.Error("the host knows without asking")
	}
	r.conn.Send([]byte("hello"))
	if events(l, m.Now(), m.Now()+time.Second); !r.closed {
		t.Error("the host does not know")
	}
}

func TestASleepingDeviceAnswersNobody(t *testing.T) {
	m, h, l := newPair("")
	r := &recorder{}
	h.Listen(7, r)
	l.Connect(0, 1, h.IP, 7)
	events(l, 0, 10*time.Millisecond)
	l.Send(m.Now(), 1, []byte("bye"))
	l.Sleep(m.Now())
	r.conn.Send([]byte("hello"))
	expectEvents(t, events(l, m.Now(), m.Now()+Patience/2))
	if r.text != "bye" || r.closed {
		t.Errorf("the host got %q, and knows: %v", r.text, r.closed)
	}
	expectEvents(t, events(l, m.Now(), m.Now()+Patience))
	if !r.closed {
		t.Error("the host waits for ever")
	}
	l.Restart(m.Now())
	l.Connect(m.Now(), 1, h.IP, 7)
	expectEvents(t, events(l, m.Now(), m.Now()+10*time.Millisecond), "connected")
}

func TestACloneGoesOnAlike(t *testing.T) {
	m, h, l := newPair(strings.Repeat("x", 9000))
	l.Connect(0, 1, h.IP, 80)
	events(l, 0, 10*time.Millisecond)
	l.Send(m.Now(), 1, []byte("go"))
	events(l, m.Now(), m.Now()+15*time.Millisecond)
	twin := m.Clone()
	now := m.Now()
	a := events(l, now, now+time.Second)
	b := events(twin.Links()[0], now, now+time.Second)
	if len(a) < 5 || !slices.Equal(a, b) {
		t.Errorf("%q, the clone %q", a, b)
	}
}

// recorder is a peer that keeps what it gets.
type recorder struct {
	text   string
	closed bool
	conn   Conn
}

func (r *recorder) Accept(c Conn)               { r.conn = c }
func (r *recorder) Receive(_ Conn, data []byte) { r.text += string(data) }
func (r *recorder) Closed(Conn)                 { r.closed = true }
func (r *recorder) Wake(time.Duration)          {}
func (r *recorder) Next() (time.Duration, bool) { return 0, false }
func (r *recorder) Clone(*Memory) Peer          { k := *r; return &k }

func TestTheWebServerAnswersRequestsInPieces(t *testing.T) {
	m := NewMemory()
	h := m.AddHost("web")
	w := NewWeb(m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) }))
	h.Listen(80, w)
	l := m.Link()
	l.Connect(0, 1, h.IP, 80)
	events(l, 0, 10*time.Millisecond)
	l.Send(m.Now(), 1, []byte("GET /a HTTP/1.1\r\nHost: web\r\n\r\nGET /b HT"))
	if got := events(l, m.Now(), m.Now()+100*time.Millisecond); len(got) != 2 {
		t.Errorf("%q", got)
	}
	l.Send(m.Now(), 1, []byte("TP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"))
	if got := events(l, m.Now(), m.Now()+100*time.Millisecond); len(got) != 3 || got[2] != "closed" {
		t.Errorf("%q", got)
	}
	if r := w.Requests(); len(r) != 2 || r[1].URL != "/b" || r[1].Status != 200 {
		t.Errorf("%+v", r)
	}
}
