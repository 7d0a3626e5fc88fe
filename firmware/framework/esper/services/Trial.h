#pragma once

#include "../Service.h"
#include "../Timer.h"

namespace esper {

// A firmware that was just installed is on trial: the boot configuration still names the old
// one. It becomes the default when it has reached the broker and stayed connected for a
// while, and could be updated again; it restarts, into the old one, when it has not in time
// (SPEC 10). Settings that came over the air are on trial in the same way (SPEC 12.3); then the
// device goes back to those before without a restart.
class Trial : public Service {
  public:
    explicit Trial(Device* device);

    void start();  // when the device can connect

    bool running() const { return what == What::FIRMWARE; }
    bool undecided() const { return what != What::NOTHING; }

    // Tries the settings' candidate, if there is one and nothing is in the way.
    void trySettings();

  private:
    enum class What : uint8_t { NOTHING, FIRMWARE, SETTINGS };

    void onNetworkUp() override { reachedNetwork = true; }
    void onBrokerUp() override;
    void onBrokerDown() override;
    void onHealthy();
    void onTimeout();
    bool firmwareConfirmed();
    void watch();

    What what;
    bool reachedNetwork = false;  // since the trial began
    bool reachedBroker = false;
    SystemTimer healthy;
    SystemTimer timeout;
};

}  // namespace esper
