package main

// holdCommand holds a device back.
type holdCommand struct {
	Device string `arg:"" help:"Chip id of the device, such as 00c0de."`
	Off    bool   `help:"Hold it no longer."`
	JSON   bool   `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *holdCommand) Help() string {
	return `Holds a device: it stays on what it runs, and on its settings, until 'esper hold --off'. esper serve
has to run.`
}

// Validate checks the command line.
func (c *holdCommand) Validate() error { return checkID(c.Device) }

// Run holds the device.
func (c *holdCommand) Run(s *streams) error {
	action := "hold"
	if c.Off {
		action = "release"
	}
	return c.steer(s, c.Device, action, c.JSON)
}
