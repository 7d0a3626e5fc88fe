#pragma once

#include <stdint.h>
#include <user_interface.h>

#include "Backoff.h"
#include "Timer.h"

// Keeps the station connected to the configured network.
class Wifi {
  public:
    class Listener {
      public:
        virtual void onNetworkUp() = 0;  // there is an address
        virtual void onNetworkDown() = 0;
    };

    explicit Wifi(Listener* listener);
    void start();

    const uint8_t* bssid() const { return accessPoint; }

  private:
    void connect();
    void retry();
    void onTimer();
    void onEvent(const System_Event_t& event);

    enum class State : uint8_t { WAITING, CONNECTING, UP };

    Listener* const listener;
    State state = State::WAITING;
    uint8_t accessPoint[6] = {};
    Backoff backoff;
    Timer timer;
};
