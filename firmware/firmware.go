// Package firmware holds the sources that every firmware is built from, so that the
// esper command builds sites without a checkout of its own sources.
package firmware

import "embed"

// Files holds the folders bootloader, framework, link and sdk, and devices, what a new
// site begins with.
//
//go:embed bootloader devices framework link sdk
var Files embed.FS
