#include "Wifi.h"

#include <osapi.h>
#include <string.h>

#include "Configuration.h"
#include "Log.h"

// From the start of connecting to an address by DHCP.
static constexpr uint32_t CONNECT_TIMEOUT = 20000;

// The SDK's event handler takes no argument of its own.
static Wifi* instance;

Wifi::Wifi(Listener* listener) : listener(listener), timer(bind<Wifi, &Wifi::onTimer>, this) {}

void Wifi::start() {
    instance = this;
    // The SDK's own retries neither back off nor end.
    wifi_station_set_reconnect_policy(false);
    // A device on mains power that sleeps between beacons answers a command late.
    wifi_set_sleep_type(NONE_SLEEP_T);

    // Neither needs a 0 behind it. 64 characters of password are the key itself in hex digits
    // (WPA's PSK), as for ESP8266WiFiSTAClass::begin of the Arduino core.
    station_config config = {};
    const size_t ssid = strlen(configuration.wifiSsid);
    const size_t password = strlen(configuration.wifiPassword);
    memcpy(config.ssid, configuration.wifiSsid, ssid < 32 ? ssid : 32);
    memcpy(config.password, configuration.wifiPassword, password < 64 ? password : 64);
    wifi_station_set_config_current(&config);

    wifi_set_event_handler_cb([](System_Event_t* event) { instance->onEvent(*event); });
    connect();
}

void Wifi::connect() {
    state = State::CONNECTING;
    timer.once(CONNECT_TIMEOUT);
    wifi_station_connect();
}

void Wifi::retry() {
    const bool wasUp = state == State::UP;
    state = State::WAITING;
    const uint32_t wait = backoff.next(os_random());
    timer.once(wait);
    ESPER_LOG("wifi", "down, again in %u ms", static_cast<unsigned>(wait));
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
                ESPER_LOG("wifi", "up");
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
