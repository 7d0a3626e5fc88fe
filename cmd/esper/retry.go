package main

// retryCommand lets a device try again.
type retryCommand struct {
	Device string `arg:"" help:"Chip id of the device, such as 00c0de."`
	JSON   bool   `name:"json" help:"Print JSON."`
	serverFlags
}

// Help is the command's description.
func (c *retryCommand) Help() string {
	return `Offers a device the release again that it failed with, and tells the device, which by itself
refuses what it has rolled back. esper serve has to run.`
}

// Validate checks the command line.
func (c *retryCommand) Validate() error { return checkID(c.Device) }

// Run lets the device try again.
func (c *retryCommand) Run(s *streams) error { return c.steer(s, c.Device, "retry", c.JSON) }
