#pragma once

#include <espconn.h>
#include <stddef.h>
#include <stdint.h>

#include "Timer.h"

namespace esper {

// One TCP connection at a time to a named host, over the SDK's espconn.
class Connection {
  public:
    class Listener {
      public:
        virtual void onOpen() = 0;
        virtual void onData(const uint8_t* data, size_t length) = 0;
        virtual void onSent() = 0;
        // It could not be opened, or was closed by the other side, or broke.
        virtual void onClosed() = 0;
    };

    explicit Connection(Listener* listener);

    // Ends in onOpen or onClosed, later. The host's name must stay.
    void open(const char* host, uint16_t port);

    // The data must stay until onSent; one send is under way at a time.
    static constexpr size_t MAX_SEND = 2 * 1460;  // bytes: more, the SDK may refuse
    bool send(const uint8_t* data, size_t length);

    // The listener hears no more of this connection. May be called at any time, also by the
    // listener, and open may follow at once.
    void close();

    // What may still come after hold: the TCP window.
    static constexpr size_t WINDOW = 5840;
    void hold();
    void unhold();

  private:
    enum class State : uint8_t { IDLE, RESOLVING, CONNECTING, OPEN, FAILING, CLOSING };

    void begin();
    void connect();
    void fail();
    void abandon(uint32_t after);
    void ended();
    void onTimer();
    static Connection* of(void* espconn);

    Listener* const listener;
    State state = State::IDLE;
    bool reopen = false;
    bool established = false;
    bool aborted = false;
    uint16_t port = 0;
    const char* host = nullptr;
    ip_addr_t address = {};
    esp_tcp tcp = {};
    espconn connection = {};
    SystemTimer timer;
};

}  // namespace esper
