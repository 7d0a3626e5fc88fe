package main

// keygenCommand makes a signing key pair.
type keygenCommand struct{}

// Run makes the key pair.
func (c *keygenCommand) Run(s *streams) error { return nil }
