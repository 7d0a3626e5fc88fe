package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"esper/internal/fleet"
)

// screen is a terminal as far as redraw uses it.
type screen struct {
	rows []string
	row  int
}

func (s *screen) Write(b []byte) (int, error) {
	text := string(b)
	for text != "" {
		var n int
		switch {
		case strings.HasPrefix(text, "\x1b[K"):
			text = text[3:]
		case strings.HasPrefix(text, "\x1b[J"):
			s.rows = s.rows[:s.row]
			text = text[3:]
		case strings.HasPrefix(text, "\x1b["):
			if _, err := fmt.Sscanf(text, "\x1b[%dA\r", &n); err != nil {
				panic(fmt.Sprintf("unknown sequence %q", text))
			}
			s.row -= n
			_, text, _ = strings.Cut(text, "\r")
		default:
			line, rest, _ := strings.Cut(text, "\x1b[K\n")
			for len(s.rows) <= s.row {
				s.rows = append(s.rows, "")
			}
			s.rows[s.row] = line
			s.row++
			text = rest
		}
	}
	return len(b), nil
}

func TestALiveTableIsDrawnInItsPlace(t *testing.T) {
	s := &screen{rows: []string{"$ esper devices --watch"}, row: 1}
	draw := func(before int, rows ...string) int {
		var b [][]byte
		for _, row := range rows {
			b = append(b, []byte(row))
		}
		s.Write(redraw(b, before))
		return len(rows)
	}
	n := draw(0, "one", "two", "three")
	n = draw(n, "one", "2")
	draw(n, "one", "2", "3", "four")
	if got, want := strings.Join(s.rows, "|"), "$ esper devices --watch|one|2|3|four"; got != want {
		t.Errorf("on the screen: %s\nwant: %s", got, want)
	}
}

func TestATableIsCutToTheTerminal(t *testing.T) {
	table := []byte("head\nrow 1\nrow 2\nrow 3 is long\n")
	for _, test := range []struct {
		width, height int
		want          string
	}{
		{80, 24, "head|row 1|row 2|row 3 is long"},
		{80, 5, "head|row 1|row 2|row 3 is long"},
		{80, 4, "head|row 1|... and 2 more"},
		{6, 24, "head|row 1|row 2|row 3"},
		{80, 0, "head|... and 3 more"},
	} {
		got := string(bytes.Join(fit(table, test.width, test.height), []byte("|")))
		if got != test.want {
			t.Errorf("%d x %d: %s, want %s", test.width, test.height, got, test.want)
		}
	}
}

func TestTheLiveTableFollowsTheFleet(t *testing.T) {
	devices := fleet.New("home", slog.New(slog.DiscardHandler))
	devices.Handle("home/00c0de/status", []byte("ONLINE"), time.Time{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s := &screen{}
	err := watchTable(ctx, s, broadcast{devices}, func() (int, int) {
		switch text := strings.Join(s.rows, "\n"); {
		case strings.Contains(text, "OFFLINE"):
			cancel()
		case strings.Contains(text, "ONLINE"):
			devices.Handle("home/00c0de/status", []byte("OFFLINE"), time.Time{})
		}
		return 80, 24
	})
	if err != nil || len(s.rows) != 2 || !strings.Contains(s.rows[1], "00c0de") || !strings.Contains(s.rows[1], "OFFLINE") {
		t.Errorf("error %v, on the screen:\n%s", err, strings.Join(s.rows, "\n"))
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 12 * time.Second: "12s", 67 * time.Second: "1m7s",
		2*time.Hour + 5*time.Minute: "2h5m", 76 * time.Hour: "3d4h",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
