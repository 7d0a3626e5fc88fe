package main

import (
	"context"
	"net/url"
	"os"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/rogpeppe/go-internal/testscript"

	"esper/internal/client"
)

// scriptOwnPassword makes a password for a device, as the command does that flashes one:
// own-password HTTP ID FILE.
func scriptOwnPassword(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: own-password HTTP ID FILE")
	}
	server := &client.Client{Server: &url.URL{Scheme: "http", Host: args[0]}}
	made, err := server.MakeDevicePasswords(context.Background(), args[1:2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(made[args[1]]), 0o600))
}

// scriptLogsIn logs in as a device does, with the password in a file: logs-in MQTT USER FILE ID.
// Negated, it must be refused.
func scriptLogsIn(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: logs-in MQTT USER FILE ID")
	}
	o := paho.NewClientOptions().AddBroker("tcp://" + args[0]).SetClientID(args[3]).
		SetUsername(args[1]).SetPassword(strings.TrimSpace(ts.ReadFile(args[2]))).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second)
	c := paho.NewClient(o)
	token := c.Connect()
	token.Wait()
	c.Disconnect(0)
	if err := token.Error(); (err != nil) != neg {
		ts.Fatalf("%s as %s: %v", args[1], args[3], err)
	}
}
