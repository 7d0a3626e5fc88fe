package homeassistant

import (
	"slices"
	"strings"

	"esper/internal/fleet"
)

// What Home Assistant knows, by its core 2025.4: the enumerations DeviceClass of its components
// binary_sensor, button, cover, event, number, sensor and switch, with DEVICE_CLASS_UNITS and
// DEVICE_CLASS_STATE_CLASSES of the components sensor and number. It refuses an entity with another
// device class altogether, and one whose unit does not fit at its first state.

// classes are the device classes of kinds of features but sensors and numbers.
var classes = map[string]string{
	fleet.Switch: "outlet switch",
	fleet.BinarySensor: "battery battery_charging carbon_monoxide cold connectivity door garage_door gas heat light lock " +
		"moisture motion moving occupancy opening plug power presence problem running safety smoke sound tamper update " +
		"vibration window",
	fleet.Button:       "identify restart update",
	fleet.EventFeature: "button doorbell motion",
	fleet.Cover:        "awning blind curtain damper door garage gate shade shutter window",
}

// textClasses are the device classes of sensors whose state is no number.
const textClasses = "date enum timestamp"

// What state classes a sensor may have.
const (
	neither  = ""
	measured = "measurement"
	total    = "total"
	counted  = "total total_increasing"
	either   = "measurement total total_increasing"
)

// anyUnit is the units of a class that can have any.
const anyUnit = "*"

// measure is a device class of sensors and numbers.
type measure struct {
	units  string // with | between them; an empty one: it can do without
	states string // state classes of a sensor
}

// measures are the device classes of numbers, and of sensors whose state is a number.
var measures = map[string]measure{
	"apparent_power":                   {"VA", measured},
	"aqi":                              {"", measured},
	"area":                             {"ac|cm²|ft²|ha|in²|km²|mi²|mm²|m²|yd²", either},
	"atmospheric_pressure":             {"Pa|bar|cbar|hPa|inHg|kPa|mbar|mmHg|psi", measured},
	"battery":                          {"%", measured},
	"blood_glucose_concentration":      {"mg/dL|mmol/L", measured},
	"carbon_dioxide":                   {"ppm", measured},
	"carbon_monoxide":                  {"ppm", measured},
	"conductivity":                     {"S/cm|mS/cm|µS/cm", measured},
	"current":                          {"A|mA", measured},
	"data_rate":                        {"B/s|GB/s|Gbit/s|GiB/s|KiB/s|MB/s|Mbit/s|MiB/s|bit/s|kB/s|kbit/s", measured},
	"data_size":                        {"B|EB|EiB|GB|Gbit|GiB|KiB|MB|Mbit|MiB|PB|PiB|TB|TiB|YB|YiB|ZB|ZiB|bit|kB|kbit", either},
	"distance":                         {"cm|ft|in|km|m|mi|mm|nmi|yd", either},
	"duration":                         {"d|h|min|ms|s|μs", either},
	"energy":                           {"GJ|GWh|Gcal|J|MJ|MWh|Mcal|TWh|Wh|cal|kJ|kWh|kcal|mWh", counted},
	"energy_distance":                  {"kWh/100km|km/kWh|mi/kWh", measured},
	"energy_storage":                   {"GJ|GWh|Gcal|J|MJ|MWh|Mcal|TWh|Wh|cal|kJ|kWh|kcal|mWh", measured},
	"frequency":                        {"GHz|Hz|MHz|kHz", measured},
	"gas":                              {"CCF|ft³|m³", counted},
	"humidity":                         {"%", measured},
	"illuminance":                      {"lx", measured},
	"irradiance":                       {"BTU/(h⋅ft²)|W/m²", measured},
	"moisture":                         {"%", measured},
	"monetary":                         {anyUnit, total},
	"nitrogen_dioxide":                 {"µg/m³", measured},
	"nitrogen_monoxide":                {"µg/m³", measured},
	"nitrous_oxide":                    {"µg/m³", measured},
	"ozone":                            {"µg/m³", measured},
	"ph":                               {"", measured},
	"pm1":                              {"µg/m³", measured},
	"pm10":                             {"µg/m³", measured},
	"pm25":                             {"µg/m³", measured},
	"power":                            {"GW|MW|TW|W|kW|mW", measured},
	"power_factor":                     {"|%", measured},
	"precipitation":                    {"cm|in|mm", either},
	"precipitation_intensity":          {"in/d|in/h|mm/d|mm/h", measured},
	"pressure":                         {"Pa|bar|cbar|hPa|inHg|kPa|mbar|mmHg|psi", measured},
	"reactive_power":                   {"var", measured},
	"signal_strength":                  {"dB|dBm", measured},
	"sound_pressure":                   {"dB|dBA", measured},
	"speed":                            {"Beaufort|ft/s|in/d|in/h|in/s|km/h|kn|m/s|mm/d|mm/h|mm/s|mph", measured},
	"sulphur_dioxide":                  {"µg/m³", measured},
	"temperature":                      {"K|°C|°F", measured},
	"volatile_organic_compounds":       {"µg/m³", measured},
	"volatile_organic_compounds_parts": {"ppb|ppm", measured},
	"voltage":                          {"MV|V|kV|mV|µV", measured},
	"volume":                           {"CCF|L|fl. oz.|ft³|gal|mL|m³", counted},
	"volume_flow_rate":                 {"L/min|ft³/min|gal/min|mL/s|m³/h", measured},
	"volume_storage":                   {"CCF|L|fl. oz.|ft³|gal|mL|m³", measured},
	"water":                            {"CCF|L|ft³|gal|m³", counted},
	"weight":                           {"g|kg|lb|mg|oz|st|µg", either},
	"wind_direction":                   {"°", neither},
	"wind_speed":                       {"Beaufort|ft/s|in/s|km/h|kn|m/s|mm/s|mph", measured},
}

// word reports whether a word is one of those in a text.
func word(text, word string) bool { return slices.Contains(strings.Fields(text), word) }

// micro writes units with the micro sign, U+00B5, in place of the Greek letter that looks alike and
// that Home Assistant writes in some.
var micro = strings.NewReplacer("\u03bc", "\u00b5")

// takes reports whether a unit is one of the class; empty: there is none.
func (m measure) takes(unit string) bool {
	return m.units == anyUnit || slices.Contains(strings.Split(micro.Replace(m.units), "|"), micro.Replace(unit))
}
