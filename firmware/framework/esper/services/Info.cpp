#include "Info.h"

#include <spi_flash.h>
#include <user_interface.h>

#include "../Clock.h"
#include "../Configuration.h"
#include "../Device.h"
#include "../Flash.h"
#include "../Json.h"
#include "../Log.h"
#include "../Reset.h"
#include "../SafeMode.h"

namespace esper {

static constexpr uint32_t INTERVAL = 60000;  // ms

// Bytes; enough for all that SPEC 7.1 allows. That it fits into an empty queue, with its topic,
// is all that it takes to be sent.
static constexpr size_t MAX_INFO = 2560;
static_assert(MAX_INFO + 64 <= Mqtt::QUEUE, "an info must fit into the queue");

static constexpr int8_t NO_RSSI = 31;  // of the SDK, before it has heard a frame

static const char* resetReason() {
    switch (system_get_rst_info()->reason) {
        case REASON_WDT_RST:
            return "hardware-watchdog";
        case REASON_EXCEPTION_RST:
            return "exception";
        case REASON_SOFT_WDT_RST:
            return "software-watchdog";
        case REASON_SOFT_RESTART:
            return "restart";
        case REASON_DEEP_SLEEP_AWAKE:
            return "deep-sleep";
        case REASON_EXT_SYS_RST:
            return "reset-pin";
        default:
            return "power-on";
    }
}

InfoPart::InfoPart(Device* device) : next(device->parts) {
    device->parts = this;
}

Info::Info(Device* device) : Service(device), timer(bind<Info, &Info::report>, this) {}

void Info::onBrokerUp() {
    timer.repeat(INTERVAL);
}

void Info::onBrokerDown() {
    timer.stop();
}

void Info::report() {
    // Not on the stack, which the SDK below has used already.
    char* buffer = static_cast<char*>(pvPortMalloc(MAX_INFO, "", 0, false));
    if (buffer == nullptr) {
        ESPER_ERROR("info", "no memory");
        return;  // until the next time
    }
    // With more features than there is room for, all else is still said.
    if (!publish(buffer, true)) {
        publish(buffer, false);
    }
    vPortFree(buffer, "", 0);
}

bool Info::publish(char* buffer, bool features) {
    Json json(buffer, MAX_INFO);
    write(json, features);
    if (json.fits()) {
        Service::publish("info", json.text(), json.length());
    }
    return json.fits();
}

void Info::write(Json& json, bool features) const {
    json.object();
    json.string("device", configuration.device);
    json.string("chip_id", device->id());
    json.hex("flash_id", spi_flash_get_id(), 6);

    json.object("version");
    json.string("esper", configuration.version);
    json.number("sequence", configuration.sequence);
    json.string("sdk", system_get_sdk_version());
    json.number("boot", Flash::bootVersion());
    json.string("link", ownLink() == Descriptor::Link::CHIP ? "chip" : "emulator");
    json.endObject();

    BootConfiguration boot;
    json.object("boot");
    json.number("rom", descriptor.slot);
    json.number("default",
                Flash::bootConfiguration(boot) ? uint32_t{boot.current} : descriptor.slot);
    json.flag("trial", device->onTrial());
    json.flag("safe", SafeMode::active());
    json.flag("latched", Reset::bootModeLatched());
    json.string("reset", resetReason());
    json.array("slots");
    for (uint32_t slot = 0; slot < 2; slot++) {
        Descriptor found;
        if (Flash::descriptor(slot, found)) {
            json.object();
            json.string("version", found.version);
            json.number("sequence", found.sequence);
            json.endObject();
        } else {
            json.null();
        }
    }
    json.endArray();
    json.endObject();

    ip_info address = {};
    uint8_t mac[6] = {};
    wifi_get_ip_info(STATION_IF, &address);
    wifi_get_macaddr(STATION_IF, mac);
    json.object("network");
    json.mac("mac", mac);
    json.address("ip", address.ip.addr);
    json.address("mask", address.netmask.addr);
    json.address("gateway", address.gw.addr);
    json.endObject();

    json.object("wifi");
    json.string("ssid", device->getWifi().ssid());
    json.mac("bssid", device->getWifi().bssid());
    const int8_t rssi = wifi_station_get_rssi();
    if (rssi != NO_RSSI) {
        json.number("rssi", int32_t{rssi});
    }
    json.number("channel", uint32_t{wifi_get_channel()});
    json.endObject();

    // In safe mode there are none, and what the firmware has is not known.
    if (!features) {
        json.null("features");
    } else if (!SafeMode::active()) {
        json.object("features");
        const Service* at = nullptr;
        for (Description d; device->next(at, d);) {
            if (d.kind != nullptr) {
                json.string(d.name, d.kind);
            }
        }
        json.endObject();
    }

    device->describeItself(json);
    json.number("heap", system_get_free_heap_size());
    json.number("uptime", Clock::seconds());
    json.endObject();
}

}  // namespace esper
