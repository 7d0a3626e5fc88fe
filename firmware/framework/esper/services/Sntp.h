#pragma once

#include <stdint.h>

#include "../Service.h"
#include "../Timer.h"
#include "Info.h"

namespace esper {

// Asks a server for the time (SPEC 12.8), and reports when the device started and when it
// connected.
class Sntp : public Service, private InfoPart {
  public:
    // The server's name or address must stay.
    Sntp(Device* device, const char* server);

  private:
    void onNetworkUp() override;
    void onBrokerUp() override;
    void write(Json& info) const override;
    void look();

    const char* const server;
    bool asking = false;
    uint32_t connected = 0;  // to the broker, in seconds since the start
    Timer timer;
};

}  // namespace esper
