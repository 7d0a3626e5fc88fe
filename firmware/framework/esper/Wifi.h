#pragma once

#include <stdint.h>
#include <user_interface.h>

#include "Backoff.h"
#include "Timer.h"

namespace esper {

// Keeps the station connected to one of the networks in the settings: the first one that can be
// joined.
class Wifi {
  public:
    class Listener {
      public:
        virtual void onNetworkUp() = 0;  // there is an address
        virtual void onNetworkDown() = 0;
    };

    explicit Wifi(Listener* listener);
    void start();
    void restart();  // leaves the network, and begins with the first one in the settings

    const uint8_t* bssid() const { return accessPoint; }
    const char* ssid() const;  // of the network that it joins

  private:
    void connect();
    void retry();
    void onTimer();
    void onEvent(const System_Event_t& event);

    enum class State : uint8_t { WAITING, CONNECTING, UP };

    Listener* const listener;
    State state = State::WAITING;
    uint8_t network = 0;  // that it joins, or tries next
    uint8_t accessPoint[6] = {};
    Backoff backoff;
    SystemTimer timer;
};

}  // namespace esper
