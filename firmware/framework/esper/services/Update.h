#pragma once

#include <stdint.h>

#include "../Device.h"
#include "../Http.h"
#include "../Service.h"
#include "../Timer.h"
#include "../UpdateError.h"
#include "../VersionFile.h"
#include "Installer.h"

namespace esper {

class SettingsUpdate;

// Keeps the device's firmware up to date (SPEC 5 to 7.2, 10): asks for the version file, decides
// by it, and reports.
class Update : public Service,
               private Checker,
               private Http::Consumer,
               private Installer::Listener {
  public:
    explicit Update(Device* device);

    // Has this look for settings after each check that finds no new firmware.
    void checkSettings(SettingsUpdate* with) { settings = with; }

    // The check for settings is over.
    void proceed();

  private:
    enum class State : uint8_t {
        IDLE,
        CHECKING,
        DOWNLOADING,
        VERIFYING,
        TRIAL,
        CONFIRMED,
        FAILED,
        ROLLED_BACK,
    };

    // ---- when to check ----

    void onNetworkUp() override;
    void onBrokerUp() override;
    void onConfirmed() override;
    bool proven() override;
    void onSettings() override;
    bool busy() const override { return checking; }
    void onTrigger(const char* payload, size_t length);
    void onOwnTrigger(const char* payload, size_t length);
    void trigger();
    void onJittered();
    void onSchedule();
    void scheduleNext();
    void checkSoon(uint32_t milliseconds);
    void look() override { check(); }
    bool installing() const override { return checking && file == nullptr; }
    void check();
    void ask();

    // ---- the version file ----

    void onBegin(uint32_t from, uint32_t total) override;
    void onBody(const uint8_t* data, size_t length) override;
    void onEnd(UpdateError error) override;

    // ---- what becomes of it ----

    void rollBack();
    bool cleared();
    void decide();
    void install(Installer::Purpose purpose);
    void onDownload(UpdateError reason) override;
    void onProgress(uint8_t percent) override;
    void onVerify() override;
    void onInstalled(UpdateError error) override;
    void shown();
    void upToDate();
    void fail(UpdateError error);
    void finish(State state, UpdateError error);
    void freeFile();

    // ---- what is reported ----

    void become(State state, UpdateError error);
    void report() override;
    static const char* nameOf(State state);
    const char* aboutVersion() const;

    State state = State::IDLE;
    UpdateError error = UpdateError::NONE;
    uint16_t httpStatus = 0;    // that the server answered, if that is the error
    bool checking = false;      // or installing
    bool settingsLeft = false;  // of this check: to look for settings
    bool triggered = false;     // while it was busy
    bool asked = false;         // for this device alone: try what was rolled back again
    Installer::Purpose purpose = Installer::Purpose::UPDATE;
    bool couldUpdate = false;  // on trial: it has shown that
    bool settled = false;      // there was a check since the start, or since the confirmation
    bool wasConnected = false;
    bool jittering = false;     // a trigger for all devices waits for its time
    bool aboutRelease = false;  // what is reported is about `wanted`, not the running version
    uint8_t progress = 0;       // percent
    uint32_t reportedAt = 0;    // ms
    uint32_t checkedAt = 0;     // seconds since start: the last check's beginning
    uint32_t untilCheck = 0;    // seconds that are left when the schedule's timer is done
    size_t fileLength = 0;
    char* file = nullptr;  // the version file, while it is coming
    Release wanted;
    Http http;
    Installer installer;
    SettingsUpdate* settings = nullptr;
    SystemTimer schedule;
    SystemTimer jitter;
    Subscription toAll;
    Subscription toOne;
};

}  // namespace esper
