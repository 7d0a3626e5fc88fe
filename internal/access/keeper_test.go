package access

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// stored is a database of tokens.
type stored struct {
	mu     sync.Mutex
	tokens []Token
	err    error
	reads  int
	used   chan string
}

func (s *stored) Tokens(context.Context) ([]Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.tokens, s.err
}

func (s *stored) UseToken(_ context.Context, name string, _ time.Time) error {
	s.used <- name
	return nil
}

func (s *stored) set(err error, tokens ...Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.err = tokens, err
}

// keeping is a keeper whose time is set by the test.
func keeping(tokens ...Token) (*Keeper, *stored, *time.Time) {
	from := &stored{tokens: tokens, used: make(chan string, 10)}
	k := NewKeeper(from, slog.New(slog.DiscardHandler))
	at := now
	k.now = func() time.Time { return at }
	return k, from, &at
}

func TestWhoseTokenItIs(t *testing.T) {
	text, ada := made(t, "ada", Operator, time.Time{})
	foreign, _ := made(t, "ada", Operator, time.Time{})
	k, _, _ := keeping(ada)
	if who, err := k.Identify(text); err != nil || who != (Identity{"ada", Operator}) {
		t.Errorf("%+v, %v", who, err)
	}
	for _, wrong := range []string{"", foreign, text + " ", ada.Hash.String()} {
		if who, err := k.Identify(wrong); !errors.Is(err, ErrUnknown) || who != (Identity{}) {
			t.Errorf("%q: %+v, %v", wrong, who, err)
		}
	}
	if who, err := k.Check("ada", text); err != nil || who.Role != Operator {
		t.Errorf("with its name: %+v, %v", who, err)
	}
	for _, name := range []string{"", "eve", "ada "} {
		if who, err := k.Check(name, text); !errors.Is(err, ErrUnknown) || who != (Identity{}) {
			t.Errorf("as %q: %+v, %v", name, who, err)
		}
	}
}

func TestTokensComeAndGoWithinASecond(t *testing.T) {
	text, ada := made(t, "ada", Viewer, time.Time{})
	k, from, at := keeping()
	if any, err := k.Any(); any || err != nil {
		t.Fatalf("%v, %v", any, err)
	}
	from.set(nil, ada)
	*at = at.Add(rereadUnknown)
	if _, err := k.Identify(text); err != nil {
		t.Errorf("a new one: %v", err)
	}
	for range 100 {
		k.Identify(text)
	}
	if from.reads != 2 {
		t.Errorf("read %d times", from.reads)
	}
	from.set(nil)
	*at = at.Add(time.Second)
	if _, err := k.Identify(text); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed: %v", err)
	}
}

func TestATokenExpires(t *testing.T) {
	text, ada := made(t, "ada", Viewer, now.Add(time.Hour))
	k, _, at := keeping(ada)
	*at = now.Add(time.Hour - 1)
	if _, err := k.Identify(text); err != nil {
		t.Errorf("before: %v", err)
	}
	*at = now.Add(time.Hour)
	if who, err := k.Identify(text); !errors.Is(err, ErrExpired) || who.Role != "" {
		t.Errorf("then: %+v, %v", who, err)
	}
	if any, err := k.Any(); !any || err != nil { // it does not open the door to all
		t.Errorf("any %v, %v", any, err)
	}
}

// A database that is away lets nobody in, and opens nothing.
func TestWithoutADatabaseNobodyIsLetIn(t *testing.T) {
	text, ada := made(t, "ada", Viewer, time.Time{})
	k, from, at := keeping(ada)
	k.Identify(text)
	from.set(errors.New("away"), ada)
	*at = at.Add(time.Second)
	if _, err := k.Identify(text); !errors.Is(err, ErrUnavailable) {
		t.Errorf("identified: %v", err)
	}
	for range 100 {
		if _, err := k.Any(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("any: %v", err)
		}
	}
	if from.reads != 2 {
		t.Errorf("asked %d times", from.reads)
	}
	from.set(nil, ada)
	*at = at.Add(time.Second)
	if _, err := k.Identify(text); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestUseIsNotedAtMostOnceAMinute(t *testing.T) {
	text, ada := made(t, "ada", Viewer, time.Time{})
	ada.Used = now.Add(-30 * time.Second) // by an earlier run of the server
	k, from, at := keeping(ada)
	for range 91 { // seconds
		k.Identify(text)
		*at = at.Add(time.Second)
	}
	if first, second := <-from.used, <-from.used; first != "ada" || second != "ada" {
		t.Errorf("noted %s, %s", first, second)
	}
	select {
	case <-from.used:
		t.Error("noted more than twice")
	default:
	}
}

// hanging is a database that does not answer, not even when its time is over, until it is let go.
type hanging struct {
	stored
	asked chan struct{}
	goOn  chan struct{}
}

func (s *hanging) Tokens(ctx context.Context) ([]Token, error) {
	s.asked <- struct{}{}
	<-s.goOn
	return s.stored.Tokens(ctx)
}

// A database that hangs lets nobody in. But it is asked once, and whoever comes after the first is
// told so without waiting for it, and without holding up what needs no answer.
func TestADatabaseThatHangsHoldsNobodyUp(t *testing.T) {
	text, ada := made(t, "ada", Viewer, time.Time{})
	from := &hanging{stored: stored{tokens: []Token{ada}, used: make(chan string, 10)}, asked: make(chan struct{}, 10), goOn: make(chan struct{})}
	k := NewKeeper(from, slog.New(slog.DiscardHandler))
	k.timeout = time.Millisecond
	for range 3 {
		if _, err := k.Identify(text); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("identified: %v", err)
		}
		if _, err := k.Any(); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("any: %v", err)
		}
	}
	if len(from.asked) != 1 {
		t.Errorf("asked %d times", len(from.asked))
	}
	close(from.goOn)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if who, err := k.Identify(text); err == nil && who.Name == "ada" {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("afterwards: %v", err)
		}
	}
}
