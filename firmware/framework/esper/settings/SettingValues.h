#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../Entries.h"
#include "../Service.h"
#include "../Timer.h"
#include "Setting.h"

namespace esper {

// All settings of the device type: what they are now, and the store that keeps it (SPEC 12.6).
class SettingValues : public Service {
  public:
    // The declarations are JSON, as words in flash.
    SettingValues(Device* device, const uint32_t* declarations, size_t length);

    // Reads the values from the store, the first time. Device code may ask for a value before
    // anything else of the framework is made.
    static void load();

    // Takes a value from a message, or the default if it is empty. False: the value is not allowed.
    bool take(Setting& setting, const char* payload, size_t length);

  private:
    // Written by the build.
    static Setting* const all[];
    static const size_t count;

    void report() override;
    void schedule();
    void save();
    static Entries merged(const Entries& old, uint8_t* buffer);
    static void merge(const Entries& old, bool others, EntriesWriter& out);

    const uint32_t* const declarations;
    const size_t length;
    bool scheduled = false;
    uint32_t lastWrite = 0;  // ms
    uint32_t exhausted = 0;  // s, when all writes that were saved up are free again
    SystemTimer timer;
};

// What a setting says and hears over MQTT.
class SettingTopic : public Service {
  public:
    SettingTopic(Device* device, SettingValues& values, Setting& setting);

  private:
    void report() override;
    void onCommand(const char* payload, size_t length);

    SettingValues& values;
    Setting& setting;
    Subscription commands;
};

}  // namespace esper
