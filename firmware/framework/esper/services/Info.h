#pragma once

#include "../Service.h"
#include "../Timer.h"

namespace esper {

class Json;

// Something that says more about the device in its info.
class InfoPart {
  public:
    virtual void write(Json& info) const = 0;

  protected:
    explicit InfoPart(Device* device);

  private:
    friend class Device;
    const InfoPart* next;
};

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

    SystemTimer timer;
};

}  // namespace esper
