#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Connection.h"
#include "HttpResponse.h"
#include "Timer.h"
#include "UpdateError.h"

namespace esper {

// Gets one resource at a time from the update server in the settings.
class Http : private Connection::Listener {
  public:
    class Consumer {
      public:
        // The body begins with byte `from`, 0 if not otherwise asked for, of `total`.
        virtual void onBegin(uint32_t from, uint32_t total) = 0;
        virtual void onBody(const uint8_t* data, size_t length) = 0;
        // NONE: the body was there whole.
        virtual void onEnd(UpdateError error) = 0;
    };

    Http();

    // Ends in the consumer's onEnd, later, unless it is cancelled. The name is the last part
    // of the path, with a query or without. Gives up after so many seconds. Asks for what
    // there is from byte `from` on, if it still has the ETag, unless that is empty; the server
    // may send all of it nevertheless.
    void get(Consumer* consumer, const char* name, const char* deviceId, uint32_t seconds,
             uint32_t from = 0, const char* etag = "");

    void cancel();

    const HttpResponse& answer() const { return response; }

    void hold();  // at most Connection::WINDOW bytes come after it
    void unhold();

  private:
    static constexpr size_t MAX_REQUEST = 704;

    void onOpen() override;
    void onData(const uint8_t* data, size_t length) override;
    void onSent() override {}
    void onClosed() override;

    void onTick();
    void end(UpdateError error);

    Consumer* consumer = nullptr;  // while there is a request
    bool active = false;
    bool held = false;
    uint32_t silence = 0;  // seconds since the last data
    uint32_t left = 0;     // seconds
    size_t requestLength = 0;
    HttpResponse response;
    Connection connection;
    SystemTimer timer;
    char request[MAX_REQUEST];
};

}  // namespace esper
