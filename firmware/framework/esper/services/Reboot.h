#pragma once

#include "../Service.h"

namespace esper {

// Restarts the device when a message asks for it by the chip id, which keeps a stray message
// from doing so.
class Reboot : public Service {
  public:
    explicit Reboot(Device* device);

  private:
    void onRequest(const char* payload, size_t length);

    Subscription toAll;
    Subscription toOne;
};

}  // namespace esper
