package esp8266

// Wait makes the CPU wait for an interrupt, as WAITI does, or go on at PC. The
// program must be where interrupts are not held off.
func (c *Chip) Wait(on bool) { c.CPU.Waiting = on }

// Print sends text on UART 0 as the ROM does, in the time that the line needs.
func (c *Chip) Print(text string) { c.print(text) }
