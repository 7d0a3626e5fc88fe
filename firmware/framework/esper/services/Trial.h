#pragma once

#include "../Service.h"
#include "../Timer.h"

// A firmware that was just installed is on trial: the boot configuration still names the old
// one. It becomes the default when it has reached the broker and stayed connected for a
// while, and could be updated again; it restarts, into the old one, when it has not in time
// (SPEC 10).
class Trial : public Service {
  public:
    explicit Trial(Device* device);

    bool running() const { return onTrial; }

  private:
    void onBrokerUp() override;
    void onBrokerDown() override;
    void onHealthy();
    void onTimeout();

    bool onTrial;
    Timer healthy;
    Timer timeout;
};
