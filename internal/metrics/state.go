package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"esper/internal/fleet"
	"esper/internal/rollout"
)

// state collects what is there now.
type state struct{ *Sources }

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("esper_"+name, help, labels, nil)
}

// What is there now. Names and labels are in docs/metrics.md.
var (
	devices   = description("devices", "Devices that are known.", "type", "version", "state")
	updates   = description("device_updates", "Devices by the state of their last update (SPEC 7.2).", "type", "state")
	malformed = description("malformed_messages_total", "Messages of devices that could not be read.")

	released  = description("release_info", "The newest release of a type, always 1.", "type", "version")
	statuses  = description("rollout_state", "1 for the state that the roll-out of a type is in.", "type", "state")
	stage     = description("rollout_stage", "The stage of the roll-out, from 0.", "type")
	atRisk    = description("rollout_at_risk_devices", "Devices that were told of the release and are not heard of since.", "type")
	waiting   = description("rollout_waiting_devices", "Devices online that have yet to be told of the release.", "type")
	failed    = description("rollout_failed_devices", "Failures since the stage began.", "type")
	confirmed = description("rollout_confirmed_devices", "Devices that run the release, and are not on trial.", "type")

	connected     = description("broker_up", "1 if the server can reach the broker.")
	connections   = description("broker_connections", "Clients that are logged in.")
	subscriptions = description("broker_subscriptions", "Subscriptions of all clients.")
	retained      = description("broker_retained_messages", "Retained messages.")
	retainedBytes = description("broker_retained_bytes", "Bytes of the retained messages, topics included.")
	messages      = description("broker_messages_total", "Messages that clients published (in) and were sent (out).", "direction")
	traffic       = description("broker_bytes_total", "Bytes that clients sent (in) and were sent (out).", "direction")
	dropped       = description("broker_dropped_messages_total", "Messages that were not sent, as the client read too slowly.")
	slowed        = description("broker_slowed_packets_total", "Packets that were read later, as the client sent too fast.")
	notRetained   = description("broker_not_retained_messages_total", "Messages that were not retained, being too many or too large.")
	denied        = description("broker_denied_total", "What clients had no right to: publish or subscribe.", "action")
	refused       = description("broker_refused_connections_total", "Logins and connections that were refused.", "reason")
)

// Describe implements prometheus.Collector.
func (state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		devices, updates, malformed, released, statuses, stage, atRisk, waiting, failed, confirmed,
		connected, connections, subscriptions, retained, retainedBytes, messages, traffic, dropped, slowed, notRetained, denied, refused,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s state) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	counter := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	types := s.fleet(gauge)
	counter(malformed, s.Malformed())
	for _, r := range s.Rollouts() {
		if !types[r.Type] {
			continue
		}
		gauge(released, 1, r.Type, r.Release.Version)
		for _, each := range []rollout.Status{rollout.Running, rollout.Paused, rollout.Aborted, rollout.Stopped, rollout.Complete} {
			gauge(statuses, one(r.Status == each), r.Type, string(each))
		}
		gauge(stage, int64(r.Stage), r.Type)
		gauge(atRisk, int64(r.AtRisk), r.Type)
		gauge(waiting, int64(r.Waiting), r.Type)
		gauge(failed, int64(r.Failed), r.Type)
		gauge(confirmed, int64(r.Confirmed), r.Type)
	}
	gauge(connected, one(s.Connected()))
	if b, ok := s.Broker(); ok {
		gauge(connections, b.Connections)
		gauge(subscriptions, b.Subscriptions)
		gauge(retained, b.Retained)
		gauge(retainedBytes, b.RetainedBytes)
		counter(messages, b.MessagesIn, "in")
		counter(messages, b.MessagesOut, "out")
		counter(traffic, b.BytesIn, "in")
		counter(traffic, b.BytesOut, "out")
		counter(dropped, b.Dropped)
		counter(slowed, b.Slowed)
		counter(notRetained, b.NotRetained)
		counter(denied, b.DeniedPublish, "publish")
		counter(denied, b.DeniedSubscribe, "subscribe")
		for reason, n := range b.Refused {
			counter(refused, n, reason)
		}
	}
}

// updateStates are those of SPEC 7.2.
var updateStates = []string{"idle", "checking", "downloading", "verifying", "trial", "confirmed", "failed", "rolled-back"}

// fleet counts the devices, and returns the types that were published.
func (s state) fleet(gauge func(d *prometheus.Desc, value int64, labels ...string)) (types map[string]bool) {
	types = map[string]bool{}
	releases := map[[2]string]bool{}
	for _, e := range s.Published().Entries() {
		types[e.Type], releases[[2]string{e.Type, e.Version}] = true, true
	}
	byVersion, byUpdate := map[[3]string]int64{}, map[[2]string]int64{}
	for _, d := range s.Devices() {
		deviceType, version := unknown, unknown
		if types[d.Type()] {
			deviceType = d.Type()
		}
		if releases[[2]string{deviceType, d.Version()}] {
			version = d.Version()
		}
		byVersion[[3]string{deviceType, version, presence(d)}]++
		if d.Update != nil {
			update := d.Update.State
			if !slices.Contains(updateStates, update) {
				update = unknown
			}
			byUpdate[[2]string{deviceType, update}]++
		}
	}
	for of, n := range byVersion {
		gauge(devices, n, of[:]...)
	}
	for of, n := range byUpdate {
		gauge(updates, n, of[:]...)
	}
	return types
}

// presence is online, offline, sleeping, silent or unknown.
func presence(d fleet.Device) string {
	if p := d.Presence(); p != "" {
		return strings.ToLower(p)
	}
	return unknown
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
