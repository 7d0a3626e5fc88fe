#pragma once

#include <stdint.h>

#include "../Service.h"
#include "../Timer.h"

namespace esper {

// Restarts a device that is connected and yet hears nothing of the site's heartbeat.
class Heartbeat : public Service {
  public:
    explicit Heartbeat(Device* device);

  private:
    void onBrokerUp() override;
    void onBrokerDown() override;
    void onBeat(const char* payload, size_t length);
    void onSecond();

    uint32_t silence = 0;  // seconds
    SystemTimer timer;
    Subscription beats;
};

}  // namespace esper
