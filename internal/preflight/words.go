package preflight

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"esper/emulator/esp8266"
	"esper/emulator/sdk"
	"esper/internal/fleet"
)

// where finds the function in a crash's report.
var where = regexp.MustCompile(`(?m)^pc +0x[0-9a-f]+ (\S.*)$`)

// because says why the device was reset.
func because(reason esp8266.ResetReason, crash *sdk.Crash) string {
	at := ""
	if crash != nil {
		at = fmt.Sprintf(" at 0x%08x", crash.PC)
		if name := where.FindStringSubmatch(crash.Report); name != nil {
			at += " in " + name[1]
		}
	}
	switch reason {
	case esp8266.ResetException:
		if crash == nil {
			return "it crashed"
		}
		text := strings.TrimSuffix(strings.TrimPrefix(crash.Text, "emulator: "), ":")
		if i := strings.Index(text, "exception "); i >= 0 { // else a use of the SDK that is wrong
			text = text[i:]
		}
		return "it crashed: " + strings.Replace(text, "(", " (", 1) + at
	case esp8266.ResetSoftWatchdog:
		return "it hung, and the software watchdog reset it" + at
	case esp8266.ResetWatchdog:
		return "it hung, and the hardware watchdog reset it"
	case esp8266.ResetRestart:
		return "it restarted by itself"
	}
	return fmt.Sprintf("it was reset, for reason %d", reason)
}

// restarted says why the new firmware was reset, and when.
func (w *world) restarted(reason esp8266.ResetReason) string {
	f := w.running
	after := w.Now() - f.since
	if w.before != nil && reason == esp8266.ResetRestart && after >= w.Config.Update.TrialTimeout-time.Second &&
		(f.info == nil || f.info.Boot.Trial) {
		return w.unconfirmed()
	}
	return fmt.Sprintf("%s, %.1f s after its start", f.resets, after.Seconds())
}

// unconfirmed says why the new firmware is rolled back without a crash.
func (w *world) unconfirmed() string {
	if !w.reported() {
		return fmt.Sprintf("it was not confirmed within %v: %s", w.Config.Update.TrialTimeout, w.missing())
	}
	if u := w.running.last(); u.State == "trial" && u.Error != "" {
		return fmt.Sprintf("it was not confirmed within %v: it could not be updated again (%s)", w.Config.Update.TrialTimeout, u.Error)
	}
	return fmt.Sprintf("it was not confirmed within %v: it did not stay connected for %v", w.Config.Update.TrialTimeout, w.Config.Update.ConfirmAfter)
}

// missing says how far the new firmware has come towards reporting itself.
func (w *world) missing() string {
	f := w.running
	switch {
	case strings.Contains(w.log.kept.String(), "boot: no slot boots"):
		return "the bootloader does not start it"
	case !f.joined:
		return "it did not join the network, or looked for nothing there"
	case f.brokerAt == "":
		return "it never reached the broker"
	case f.realm == "":
		return fmt.Sprintf("it connected to the broker at %s, but never said that it is online", f.brokerAt)
	case f.info == nil:
		return "it never said what it is (info)"
	}
	return "it did not settle"
}

// said is what the device reports of an update.
func said(u fleet.UpdateStatus) string {
	text := fmt.Sprintf("it says %q", u.State)
	if u.State == "" {
		return "it says nothing of updates"
	}
	if u.Problem() != "" {
		text += fmt.Sprintf(" for %q", u.Error)
	}
	return text
}
