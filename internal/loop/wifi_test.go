package loop

import (
	"strings"
	"testing"
	"time"

	"esper/emulator"
	"esper/emulator/esp8266"
	"esper/internal/image"
	"esper/internal/site"
)

// The SDK tells a key from a password by its 64 characters, so none may be cut off for a 0.
func TestAWPAKeyReachesTheSDKComplete(t *testing.T) {
	t.Parallel()
	f := theFirmwares(t)
	key := strings.Repeat("0123456789abcdef", 4)
	images := f.variant(t, "socket", "key", 1, variant{name: "WPA key", config: func(c *site.Config) { c.WiFi.Password = site.Secret(key) }})
	content, err := image.NewFlash(f.bootloader, images[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	flash := esp8266.NewFlash(image.FlashSize)
	if err := flash.Put(0, content); err != nil {
		t.Fatal(err)
	}
	lab := emulator.NewLab()
	d, err := lab.Add(emulator.Config{ChipID: 1, Flash: flash})
	if err != nil {
		t.Fatal(err)
	}
	lab.RunUntil(func() bool { ssid, _ := d.SDK.Station(); return ssid != "" }, 10*time.Second)
	if ssid, password := d.SDK.Station(); ssid != "net" || password != key {
		t.Errorf("the SDK joins %q with %q", ssid, password)
	}
}
