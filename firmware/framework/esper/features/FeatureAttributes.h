#pragma once

#include "../Service.h"

namespace esper {

// Publishes what the features say about themselves (SPEC 7.6). It is part of a firmware only if
// one of its features has attributes.
class FeatureAttributes : public Service {
  public:
    // Makes it, the first time.
    static void install(Device* device);

  private:
    explicit FeatureAttributes(Device* device) : Service(device) {}
    void report() override;
};

}  // namespace esper
