#pragma once

#include "../Service.h"
#include "../Timer.h"

namespace esper {

class Json;

// Reports what the device is and how it does (SPEC 7.1).
class Info : public Service {
  public:
    explicit Info(Device* device);

    void report() override;

  private:
    void onBrokerUp() override;
    void onBrokerDown() override;
    void onConfirmed() override { report(); }
    bool publish(char* buffer, bool features);  // false: there is no room
    void write(Json& json, bool features) const;

    Timer timer;
};

}  // namespace esper
