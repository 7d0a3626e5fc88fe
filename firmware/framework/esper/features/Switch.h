#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Damper.h"
#include "Feature.h"

namespace esper {

// Something that is on or off, of kind switch or light: switched by 1 and 0 at <name>/set, and by
// code. Within damper milliseconds after a command further ones are ignored. RAM: 48 bytes, 8 of
// them only with a damper.
template <Kind of, const char* const name, const Attributes& about, uint16_t damper = 0>
class OnOff : private Commands<name>, public FeatureOf<of, name, about>, private Damper<damper> {
  public:
    bool isOn() const { return on; }

    void set(bool wanted) {
        on = wanted;
        apply(on);
        publishState();
    }

    void toggle() { set(!on); }

  protected:
    OnOff(Device* device, bool initial)
        : Commands<name>(device, receive<OnOff, &OnOff::onCommand>, this),
          FeatureOf<of, name, about>(device),
          on(initial) {}

    // Does it. Not called for the initial state: that is the constructor's affair.
    virtual void apply(bool on) = 0;

    void publishState() override { this->publish(on); }

  private:
    void onCommand(const char* payload, size_t length) {
        const bool known = length == 1 && (payload[0] == '0' || payload[0] == '1');
        if (known && !this->damped()) {
            set(payload[0] == '1');
        }
    }

    bool on;
};

// A switch of device code, which derives from it and switches something in apply:
//
//     class Fan : public Switch<FAN> {
//       public:
//         explicit Fan(Device* device) : Switch(device) {}
//
//       private:
//         void apply(bool on) override { … }
//     };
//
// Topics and RAM as of OnOff.
template <const char* const name, const Attributes& about = NO_ATTRIBUTES>
class Switch : public OnOff<Kind::SWITCH, name, about> {
  protected:
    explicit Switch(Device* device, bool initial = false)
        : OnOff<Kind::SWITCH, name, about>(device, initial) {}
};

}  // namespace esper
