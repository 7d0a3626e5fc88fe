package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"esper/internal/esptool"
	"esper/internal/serialport"
)

// serialFlags say at which port a board is.
type serialFlags struct {
	Port string `env:"ESPER_PORT" placeholder:"PORT" help:"Serial port (default: the only one that there is)."`
	Baud int    `default:"460800" placeholder:"BAUD" help:"Speed of the transfer (default: ${default})."`
}

// open finds the esptool and the port.
func (f *serialFlags) open(ctx context.Context) (esptool.Tool, esptool.Port, error) {
	if f.Baud < 9600 || f.Baud > 2_000_000 {
		return esptool.Tool{}, esptool.Port{}, fmt.Errorf("--baud %d: not a speed from 9600 to 2000000", f.Baud)
	}
	tool, err := esptool.Find(ctx)
	if err != nil {
		return tool, esptool.Port{}, hint(err, "%s", esptool.Hint)
	}
	name, err := f.port()
	return tool, esptool.Port{Name: name, Baud: f.Baud}, err
}

// port returns the port that is named, or the only one.
func (f *serialFlags) port() (string, error) {
	if f.Port != "" {
		return f.Port, nil
	}
	ports := serialport.List(serialport.Devices)
	switch len(ports) {
	case 0:
		return "", hint(errors.New("there is no serial port"), "connect the adapter, or name the port: --port PORT")
	case 1:
		return ports[0].Path, nil
	}
	var names []string
	for _, p := range ports {
		names = append(names, cmp.Or(p.Name, p.Path))
	}
	return "", hint(fmt.Errorf("there are several serial ports: %s", strings.Join(names, ", ")), "name one: --port PORT")
}

// flashHint adds what to do about an error of esptool at a port, with a board of that name, if it is
// known.
func flashHint(err error, port esptool.Port, board string) error {
	switch {
	case errors.Is(err, esptool.ErrNoChip):
		return hint(err, "bring the board into its flash mode: connect GPIO0 to GND, and switch the power on"+
			" (TX to RX, RX to TX, 3.3 V); 'esper boards %s' shows how", cmp.Or(board, "NAME"))
	case errors.Is(err, esptool.ErrPermission):
		return hint(err, "sudo usermod -a -G %s $USER, and log in again", serialport.Port{Path: port.Name}.Group())
	case errors.Is(err, esptool.ErrSmall):
		return hint(err, "such a board, as old ESP-01 with 512 KB, cannot hold two slots")
	case errors.Is(err, esptool.ErrWrongChip):
		return err
	}
	return hint(err, "the same command begins again, after the power was switched off and on with GPIO0 at GND")
}
