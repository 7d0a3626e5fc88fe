package fleet

import "fmt"

// problems are the errors of updates (docs/SPEC.md section 7.2) in words, as the end of a sentence.
var problems = map[string]string{
	"unreachable":            "the update server could not be reached, or the connection broke",
	"http-status":            "the update server did not answer 200",
	"malformed-response":     "what answered is not HTTP, or did not say how long its answer is",
	"malformed-version-file": "the version file is not one",
	"not-newer":              "the release is not newer than what runs",
	"too-large":              "the image does not fit its slot",
	"truncated":              "the image ended early",
	"wrong-device":           "the image is for another device type",
	"wrong-version":          "the image is of another version than the version file says",
	"wrong-sequence":         "the image has another sequence than the version file says",
	"wrong-slot":             "the image is for the other slot",
	"wrong-link":             "the image is linked for the emulator and the device is a chip, or the reverse",
	"malformed-image":        "the image is damaged",
	"bad-signature":          "no key that the device trusts signed the image",
	"flash":                  "the flash reported an error, or holds something else than was written",
	"sequence-jump":          "the sequence is more than 1,000,000 greater",
	"no-memory":              "there was too little memory for the update",
	"boot-mode-latched":      "it was flashed over serial, and would not come back from a restart: switch its power off and on",
	"malformed-delta":        "the delta is damaged",
	"wrong-source":           "the delta is from another image than the one that runs",
	"crashed":                "the trial ended with an exception",
	"hung":                   "the trial ended with a watchdog",
	"not-confirmed":          "the trial ended with a restart, or without a confirmation in time",
}

// UpdateProblem returns what is wrong with the device's last update in words, empty if nothing is.
func (d Device) UpdateProblem() string {
	if d.Update == nil || d.Update.Problem() == "" {
		return ""
	}
	deviceType := d.Type()
	if deviceType == "" {
		deviceType = "its device type"
	}
	status := d.Update.HTTPStatus
	switch {
	case d.Update.Error != "http-status" || status == 0:
	case status == 404:
		return "the server answered 404: nothing is published for " + deviceType
	case status == 401 || status == 403:
		return fmt.Sprintf("the server answered %d: it keeps out who does not log in, which devices do not", status)
	case status >= 300 && status < 400:
		return fmt.Sprintf("the server answered %d: it redirects, which devices do not follow", status)
	case status >= 500:
		return fmt.Sprintf("the server answered %d: it failed by itself", status)
	default:
		return fmt.Sprintf("the server answered %d", status)
	}
	if words, known := problems[d.Update.Error]; known {
		return words
	}
	return d.Update.Error // of a newer firmware
}

// settingsProblems are the errors of settings (docs/SPEC.md section 12.5) in words, as the end of a
// sentence; the others are those of updates.
var settingsProblems = map[string]string{
	"http-status":        "the update server answered neither 200 nor 404",
	"not-newer":          "the settings are older than those that it has",
	"wrong-device":       "the settings are for another device type or device",
	"malformed-settings": "the settings are damaged, or too large for the device",
	"bad-signature":      "no key that the device trusts signed the settings",
	"wrong-fleet-key":    "the settings are sealed with no key that the device has",
	"no-memory":          "there was too little memory for the settings",
	"no-wifi":            "with the new settings it could not join a network, so it went back to the old ones",
	"no-broker":          "with the new settings it could not reach the broker, so it went back to the old ones",
	"no-update-server":   "with the new settings it could not reach the update server, so it went back to the old ones",
	"not-confirmed":      "the trial of the new settings was cut off four times, so it went back to the old ones",
}

// SettingsProblem returns what is wrong with the device's last settings in words, empty if nothing is.
func (d Device) SettingsProblem() string {
	if d.Settings == nil || d.Settings.Error == "" {
		return ""
	}
	for _, words := range []map[string]string{settingsProblems, problems} {
		if known, ok := words[d.Settings.Error]; ok {
			return known
		}
	}
	return d.Settings.Error // of a newer firmware
}

// Development reports whether the device says that it runs a development build, which has no
// sequence and installs every release.
func (d Device) Development() bool { return d.Info != nil && d.Info.Version.Sequence == 0 }

// Unpublished reports whether all that is wrong with the device's update is that there is no
// release for a development build to be replaced by: there may never be one.
func (d Device) Unpublished() bool {
	return d.Development() && d.Update != nil && d.Update.Problem() == "http-status" && d.Update.HTTPStatus == 404
}
