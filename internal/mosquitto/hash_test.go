package mosquitto

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// written is what mosquitto_passwd 2.0.11 wrote for the password "secret".
const written = "$7$101$qGy8A1KF+xHlV3iY$" +
	"99MWmoSBTu7SFNI4iOfbZ114wPU+YEmVWo6llQGH6qx9JIqkc+1W2BZbrdMMyVuHxoDJ0zyEButazqr+jWzQLw=="

func TestAHashIsThatOfMosquitto(t *testing.T) {
	if !Matches(written, "secret") || Matches(written, "Secret") || Matches(written, "") {
		t.Error("what mosquitto_passwd wrote is judged wrongly")
	}
	one, other := Hash("x"), Hash("x")
	right := Matches(one, "x") && Matches(other, "x") && !Matches(one, "y")
	if one == other || !right || len(one) != len(written) {
		t.Errorf("made %s and %s", one, other)
	}
	if err := CheckHash(one); err != nil {
		t.Error(err)
	}
}

// The real program takes the password that a hash of ours is of, too: it checks one before it
// replaces another only in its broker, so this is about the format; the broker's tests log in.
func TestTheProgramReadsOurHashes(t *testing.T) {
	program, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Skip("mosquitto_passwd is not installed")
	}
	file := t.TempDir() + "/passwords"
	if err := os.WriteFile(file, []byte("00c0de:"+Hash("x")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "-b", file, "other", "y").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "00c0de:$7$101$") {
		t.Errorf("afterwards %s, %v", text, err)
	}
}

func TestWhatIsNoHashIsRefused(t *testing.T) {
	salt, key := "qGy8A1KF+xHlV3iY", strings.Repeat("A", 86)+"=="
	good := "$7$101$" + salt + "$" + key
	if err := CheckHash(good); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{
		"", "$", "$7$", "secret", good + "$", good + "\n", "\n" + good, good + ":x", strings.Repeat("$", 1000),
		"$6$" + salt + "$" + key, "$7$0$" + salt + "$" + key, "$7$-1$" + salt + "$" + key,
		"$7$+1$" + salt + "$" + key, "$7$0101$" + salt + "$" + key, "$7$1000001$" + salt + "$" + key,
		"$7$99999999999999999999$" + salt + "$" + key, "$7$101$$" + key, "$7$101$" + salt + "$",
		"$7$101$" + salt + "\n$" + key, "$7$101$" + salt[:8] + "$" + key,
		"$7$101$" + salt + "$" + key[:85] + "B==", // bits that count for nothing
	} {
		if err := CheckHash(wrong); !errors.Is(err, ErrHash) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func FuzzCheckHash(f *testing.F) {
	f.Add(written)
	f.Add("$7$1$$")
	f.Fuzz(func(t *testing.T, text string) {
		if CheckHash(text) == nil && (strings.ContainsAny(text, "\n\r: ") || len(text) > MaxHash) {
			t.Errorf("%q is taken", text)
		}
	})
}
