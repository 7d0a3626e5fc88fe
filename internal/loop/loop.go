// Package loop holds nothing but tests of the whole loop: firmware that is built,
// signed and published for real, and emulated devices that execute it.
package loop
