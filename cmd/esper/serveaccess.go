package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"

	"esper/internal/certificate"
	"esper/internal/server"
)

// accessFlags say how others than the server's own machine reach its API.
type accessFlags struct {
	HTTPS         string   `name:"https" placeholder:"HOST:PORT" help:"Where to serve the API, and firmware, over TLS, such as :443."`
	TLSCert       string   `name:"tls-cert" type:"path" placeholder:"FILE" help:"The certificate and those between it and the root, in PEM."`
	TLSKey        string   `name:"tls-key" type:"path" placeholder:"FILE" help:"Its private key, in PEM."`
	ACME          []string `name:"acme" placeholder:"NAME" help:"Get certificates for these names of the server by ACME."`
	ACMEDirectory string   `name:"acme-directory" placeholder:"URL" help:"From this certificate authority (default: Let's Encrypt)."`
	PlainAPI      bool     `name:"plain-api" help:"Take tokens without TLS, too: who listens in the network can do what their owners can."`
}

// Validate checks the command line.
func (f *accessFlags) Validate() error {
	files := f.TLSCert != "" || f.TLSKey != ""
	switch {
	case files && (f.TLSCert == "" || f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key need each other")
	case files && len(f.ACME) > 0:
		return errors.New("--acme and --tls-cert are two ways to get a certificate; choose one")
	case f.HTTPS != "" && !files && len(f.ACME) == 0:
		return errors.New("--https needs a certificate: --tls-cert and --tls-key, or --acme")
	case f.HTTPS == "" && (files || len(f.ACME) > 0):
		return errors.New("a certificate is for --https")
	case f.ACMEDirectory != "" && len(f.ACME) == 0:
		return errors.New("--acme-directory is for --acme")
	}
	return nil
}

// take sets up a server so.
func (f *accessFlags) take(config *server.Config, data string) (err error) {
	config.HTTPSListen, config.PlainAPI = f.HTTPS, f.PlainAPI
	switch {
	case f.TLSCert != "":
		config.TLS, err = certificate.Files(f.TLSCert, f.TLSKey, config.Log)
	case len(f.ACME) > 0:
		config.TLS = certificate.ACME(f.ACME, filepath.Join(data, "acme"), f.ACMEDirectory, config.Log)
	}
	return err
}

// opened is what of a server can be reached, and where; nil: nowhere.
type opened struct {
	http, https, mqtt *net.TCPAddr
	mqttUser          string
	plainAPI          bool
	tokens            int
}

// openedBy says what of a server can be reached.
func openedBy(s *server.Server, config server.Config) (opened, error) {
	tokens, err := s.Store().Tokens(context.Background())
	return opened{s.HTTPAddr(), s.HTTPSAddr(), s.MQTTAddr(), config.MQTTUser, config.PlainAPI, len(tokens)}, err
}

// httpsPort is where the API answers over TLS; 0: nowhere.
func (o opened) httpsPort() int {
	if o.https == nil {
		return 0
	}
	return o.https.Port
}

// warn says what others in the network can do now, and what closes it. Command makes a token.
func (o opened) warn(log *slog.Logger, command string) {
	beyond := func(a *net.TCPAddr) bool { return a != nil && !a.IP.IsLoopback() }
	for _, a := range []*net.TCPAddr{o.http, o.https} {
		if beyond(a) {
			log.Warn("open to the network: everybody can read the firmware, and what is secret in it; "+
				"let only the devices' own network reach it", "address", a.String())
		}
	}
	switch {
	case !beyond(o.mqtt):
	case o.mqttUser == "":
		log.Warn("open to the network: everybody can read and command the devices over MQTT; "+
			"a user and password in mqtt.url, esper.toml, confine each device to its own topics, and others need an API token", "mqtt", o.mqtt.String())
	default:
		log.Warn("open to the network: MQTT asks for passwords but does not encrypt them; "+
			"let only the devices' own network reach it", "mqtt", o.mqtt.String(), "user", o.mqttUser)
	}
	if o.tokens == 0 {
		log.Info("the API answers all programs on this machine, and nobody else, until there is a token", "to_make_one", command)
	} else if o.plainAPI && beyond(o.http) {
		log.Warn("open to the network: tokens for the API are taken without encryption, and who listens can use them; "+
			"--https instead of --plain-api encrypts them", "http", o.http.String())
	}
}
