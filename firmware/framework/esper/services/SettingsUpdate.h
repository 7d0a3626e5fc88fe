#pragma once

#include <stdint.h>

#include "../Ed25519.h"
#include "../Http.h"
#include "../Service.h"
#include "../SettingsFile.h"
#include "../Timer.h"
#include "../UpdateError.h"

namespace esper {

class Update;

// Takes settings over the air (SPEC 12.3 to 12.5): asks for a settings release after each check for
// firmware, verifies it, has it tried, and reports.
class SettingsUpdate : public Service, private Http::Consumer {
  public:
    SettingsUpdate(Device* device, Update* update);

    // Looks for a release, with the connection of the update, and then calls Update::proceed.
    // Again: one that was rejected is accepted, too.
    void check(Http* http, bool again);

  private:
    enum class State : uint8_t { IDLE, TRIAL, CONFIRMED, FAILED, ROLLED_BACK };

    // What is needed while a release is looked at, and only then.
    struct Work {
        uint32_t file[SettingsFile::MAX_SIZE / 4];
        size_t length;
        SettingsFile release;
        uint8_t attempt;            // which signature and key to try next
        bool checking;              // `check` goes on
        volatile uint32_t verdict;  // what `check` said last; looked at twice
        char text[192];
        size_t textLength;
        Ed25519 check;
    };

    void onConfirmed() override { onSettings(); }
    void onSettings() override;
    void report() override;

    void onBegin(uint32_t from, uint32_t total) override;
    void onBody(const uint8_t* data, size_t length) override;
    void onEnd(UpdateError error) override;

    int32_t sequence() const { return static_cast<int32_t>(work->release.sequence()); }
    void look();
    void decide();
    void onStep();
    uint8_t* openWith(const char* name);
    void take();
    void end(State state, UpdateError error);
    void fail(UpdateError error, int32_t sequence = 0);
    void nothingNew();
    void freeWork();
    static const char* nameOf(State state);

    Update* const update;
    Http* http = nullptr;
    Work* work = nullptr;
    bool again = false;
    State state = State::IDLE;
    UpdateError error = UpdateError::NONE;
    int32_t about = 0;  // the sequence that the state is about
    SystemTimer step;
};

}  // namespace esper
