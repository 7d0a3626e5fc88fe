package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"esper/internal/broker"
)

// scriptAddress sets variables to loopback addresses that nobody listens at:
// address NAME...
func scriptAddress(ts *testscript.TestScript, neg bool, args []string) {
	addresses, err := freePorts(len(args))
	ts.Check(err)
	for i, name := range args {
		ts.Setenv(name, addresses[i])
	}
}

// patience is how long a script waits for what must come: only a failure takes so long.
const patience = time.Minute

// scriptListens waits until somebody listens: listens ADDRESS...
func scriptListens(ts *testscript.TestScript, neg bool, args []string) {
	for _, address := range args {
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			c, err := net.Dial("tcp", address)
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				ts.Fatalf("nobody listens: %v", err)
			}
		}
	}
}

// scriptFetch downloads a file: fetch URL FILE. Negated, it must not be found.
func scriptFetch(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: fetch URL FILE")
	}
	answer, err := http.Get(args[0])
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if want := map[bool]int{false: 200, true: 404}[neg]; answer.StatusCode != want {
		ts.Fatalf("%s, want %d", answer.Status, want)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o666))
}

// scriptMQTT publishes a file as a retained message: mqtt ADDRESS TOPIC FILE.
func scriptMQTT(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: mqtt ADDRESS TOPIC FILE")
	}
	u, err := broker.ParseURL("mqtt://" + args[0])
	ts.Check(err)
	c, err := broker.Dial(context.Background(), u, slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer c.Close()
	payload := strings.TrimSuffix(ts.ReadFile(args[2]), "\n")
	ts.Check(c.Publish(args[1], []byte(payload), true))
	ts.Check(c.Settle(context.Background()))
}

// scriptAppears waits until a file has a match: appears FILE REGEXP.
func scriptAppears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: appears FILE REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(content) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not get a match:\n%s", args[0], content)
		}
	}
}

// scriptEventually runs a program until its output has a match:
// eventually REGEXP PROGRAM ARGS. Its last output can be looked at as after exec.
func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP PROGRAM ARGS")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	// Each try is a process, which takes the CPU from what is waited for.
	for deadline := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if output := ts.ReadFile("stdout"); want.MatchString(output) {
			return
		} else if time.Now().After(deadline) {
			ts.Fatalf("the output does not get a match: %v\n%s", err, output)
		}
	}
}
