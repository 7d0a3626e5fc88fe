#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// A setting of the device type, which users may change while the device runs (SPEC 12.6). The build
// writes <settings.h> with one object for each that device.toml declares. A setting always has a
// value that its declaration allows, from the first constructor of the device type's on.
class Setting {
  public:
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;

    // Has a function called after each change of the value: bind<Type, &Type::method> and the
    // object, or a function of one's own. It is not called at the start. There is one for each
    // setting: a second one takes the first one's place.
    void onChange(void (*function)(void* object), void* object = nullptr) {
        listener = function;
        of = object;
    }

  protected:
    // Rule: as the build writes it, in flash (SettingRule.h). Topic: below <realm>/<id>/, the
    // setting's name begins behind its slash. Text: room for the longest value and a 0; nullptr
    // for a number or a switch.
    constexpr Setting(const uint32_t* rule, const char* topic, char* text)
        : rule(rule), topic(topic), text(text) {}

    const uint32_t* const rule;
    const char* const topic;
    char* const text;
    int32_t number = 0;

  private:
    friend class SettingValues;
    friend class SettingTopic;

    const char* name() const;
    void (*listener)(void* object) = nullptr;
    void* of = nullptr;
    bool stored = false;   // the user chose the value: it is to be an entry of the store
    bool unsaved = false;  // and the store holds something else
};

// A whole number.
class NumberSetting : public Setting {
  public:
    constexpr NumberSetting(const uint32_t* rule, const char* topic)
        : Setting(rule, topic, nullptr) {}

    int32_t get() const;
    operator int32_t() const { return get(); }
};

// On or off.
class SwitchSetting : public Setting {
  public:
    constexpr SwitchSetting(const uint32_t* rule, const char* topic)
        : Setting(rule, topic, nullptr) {}

    bool get() const;
    operator bool() const { return get(); }
};

// A text, or one of several. The pointer stays the same; what is there changes with the setting.
class TextSetting : public Setting {
  public:
    constexpr TextSetting(const uint32_t* rule, const char* topic, char* text)
        : Setting(rule, topic, text) {}

    const char* get() const;
    operator const char*() const { return get(); }
    bool is(const char* value) const;

    // Of a select: the place of the value among the options, from 0 on.
    size_t index() const;
};

}  // namespace esper
