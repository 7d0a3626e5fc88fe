#include "Wifi.h"

#include <osapi.h>
#include <string.h>

#include "Log.h"
#include "Settings.h"

namespace esper {

// From the start of connecting to an address by DHCP.
static constexpr uint32_t CONNECT_TIMEOUT = 20000;

static constexpr uint32_t NEXT_NETWORK = 100;  // ms, until the next one is tried
static constexpr uint32_t NO_NETWORK = 60000;  // ms, from one complaint to the next

// The SDK's event handler takes no argument of its own.
static Wifi* instance;

Wifi::Wifi(Listener* listener) : listener(listener), timer(bind<Wifi, &Wifi::onTimer>, this) {}

void Wifi::start() {
    instance = this;
    // The SDK's own retries neither back off nor end.
    wifi_station_set_reconnect_policy(false);
    // A device on mains power that sleeps between beacons answers a command late.
    wifi_set_sleep_type(NONE_SLEEP_T);

    wifi_set_event_handler_cb([](System_Event_t* event) { instance->onEvent(*event); });
    connect();
}

void Wifi::restart() {
    const bool wasUp = state == State::UP;
    state = State::WAITING;
    network = 0;
    backoff.reset();
    timer.once(NEXT_NETWORK);
    wifi_station_disconnect();
    if (wasUp) {
        listener->onNetworkDown();
    }
}

const char* Wifi::ssid() const {
    return Settings::ssid(network);
}

void Wifi::connect() {
    if (Settings::networks() == 0) {
        ESPER_ERROR("settings", "none: flash them with 'esper flash --settings'");
        timer.once(NO_NETWORK);
        return;
    }
    // Neither needs a 0 behind it. 64 characters of password are the key itself in hex digits
    // (WPA's PSK), as for ESP8266WiFiSTAClass::begin of the Arduino core.
    station_config config = {};
    const char* const name = ssid();
    const char* const password = Settings::password(network);
    const size_t nameLength = strlen(name);
    const size_t passwordLength = strlen(password);
    memcpy(config.ssid, name, nameLength < 32 ? nameLength : 32);
    memcpy(config.password, password, passwordLength < 64 ? passwordLength : 64);
    wifi_station_set_config_current(&config);

    state = State::CONNECTING;
    timer.once(CONNECT_TIMEOUT);
    wifi_station_connect();
}

void Wifi::retry() {
    const bool wasUp = state == State::UP;
    state = State::WAITING;
    // After a loss the first one again; after a failure the next one, and a pause behind the last.
    network = wasUp || network + 1u >= Settings::networks() ? 0 : static_cast<uint8_t>(network + 1);
    const uint32_t wait = network > 0 ? NEXT_NETWORK : backoff.next(os_random());
    timer.once(wait);
    ESPER_WARNING("wifi", "down, again in %u ms", static_cast<unsigned>(wait));
    if (wasUp) {
        listener->onNetworkDown();
    }
}

void Wifi::onTimer() {
    if (state == State::WAITING) {
        connect();
    } else if (state == State::CONNECTING) {
        retry();
        wifi_station_disconnect();
    }
}

void Wifi::onEvent(const System_Event_t& event) {
    switch (event.event) {
        case EVENT_STAMODE_CONNECTED:
            memcpy(accessPoint, event.event_info.connected.bssid, sizeof(accessPoint));
            break;
        case EVENT_STAMODE_GOT_IP:
            timer.stop();
            backoff.reset();
            if (state != State::UP) {
                state = State::UP;
                ESPER_INFO("wifi", "up");
                listener->onNetworkUp();
            }
            break;
        case EVENT_STAMODE_DISCONNECTED:
            // Also comes when a try failed, and after a disconnect of our own.
            if (state != State::WAITING) {
                retry();
            }
            break;
        default:
            break;
    }
}

}  // namespace esper
