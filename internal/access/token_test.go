package access

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func made(t *testing.T, name string, role Role, expires time.Time) (string, Token) {
	t.Helper()
	text, token, err := NewToken(name, role, now, expires)
	if err != nil {
		t.Fatal(err)
	}
	return text, token
}

// What is kept tells nothing of the token but its hash, and each token is another.
func TestATokenIsRandomAndOnlyItsHashIsKept(t *testing.T) {
	text, kept := made(t, "ada", Viewer, time.Time{})
	other, _ := made(t, "ada", Viewer, time.Time{})
	if text == other || !strings.HasPrefix(text, "esper_") || len(text) != len("esper_")+43 {
		t.Errorf("made %d and %d characters", len(text), len(other))
	}
	if kept.Hash != sha256.Sum256([]byte(text)) {
		t.Error("what is kept is not the hash")
	}
	hash, ok := Sum(text)
	if parsed, err := ParseHash(hash.String()); !ok || err != nil || parsed != kept.Hash {
		t.Errorf("%v, %v", ok, err)
	}
	for _, text := range []string{"", "esper_", text[1:], text + "x", text[:len(text)-1], strings.ToUpper(text)} {
		if _, ok := Sum(text); ok {
			t.Errorf("%q could be a token", text)
		}
	}
	for _, text := range []string{"", "00", strings.Repeat("x", 64)} {
		if _, err := ParseHash(text); err == nil {
			t.Errorf("%q is a hash", text)
		}
	}
}

func TestNamesAndRolesOfTokens(t *testing.T) {
	for _, name := range []string{"", "Ada", "a b", "a/b", "ä", "a\n", strings.Repeat("a", 33)} {
		if _, _, err := NewToken(name, Viewer, now, now); !errors.Is(err, ErrToken) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, role := range []Role{"", "admin", Local, Database} {
		if _, _, err := NewToken("ada", role, now, now); !errors.Is(err, ErrToken) {
			t.Errorf("role %q: %v", role, err)
		}
	}
}

func TestWhatARoleMay(t *testing.T) {
	for _, c := range []struct {
		role Role
		may  []Role
	}{
		{Viewer, []Role{Viewer}}, {Operator, []Role{Viewer, Operator}}, {Publisher, []Role{Viewer, Publisher}},
		{Local, []Role{Viewer, Operator, Publisher}}, {Database, nil}, {"", nil}, {"admin", nil},
	} {
		may := map[Role]bool{}
		for _, role := range c.may {
			may[role] = true
		}
		for _, need := range Roles {
			if c.role.May(need) != may[need] {
				t.Errorf("%q may what %s is needed for: %v", c.role, need, !may[need])
			}
		}
		if c.role != Local && c.role.May("") {
			t.Errorf("%q may what nobody says the role of", c.role)
		}
	}
}

func TestWhatLooksLikeATokenIsRedacted(t *testing.T) {
	text, _ := made(t, "ada", Viewer, time.Time{})
	if got := Redact(`{"token":"` + text + `","x":"esper_"}`); got != `{"token":"esper_…","x":"esper_"}` {
		t.Errorf("redacted: %s", got)
	}
}
