#pragma once

#include <stdint.h>

#include "../Backoff.h"
#include "../BootConfiguration.h"
#include "../Ed25519.h"
#include "../Http.h"
#include "../Service.h"
#include "../Sha256.h"
#include "../Timer.h"
#include "../UpdateError.h"
#include "../VersionFile.h"

// Keeps the device's firmware up to date (SPEC 5 to 7.2, 10). The running slot is never written.
// The standby slot gets its first sector last, when all else is known to be right, so it is
// bootable no earlier.
class Update : public Service, private Http::Consumer {
  public:
    explicit Update(Device* device);

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

    // What comes next when an image is coming or has come. Each step is short, except for
    // erasing and the signature, so that the device goes on with its work between them.
    enum class Step : uint8_t { LOOK, ERASE, WRITE, SIGNATURE, READ_BACK, COMMIT, RESTART };

    // What a download needs, and only then: about 17 KB of the heap.
    struct Download {
        // Whole sectors, and what may still come when the flash is busy.
        static constexpr uint32_t CAPACITY = 3 * Layout::SECTOR;

        uint32_t head[Layout::SECTOR / 4];  // the image's first sector, held back
        uint32_t buffer[CAPACITY / 4];      // ring of the bytes from `written` to `received`
        uint32_t size;
        uint32_t received;
        uint32_t written;    // or held back; whole sectors, until the end
        uint32_t readBack;   // bytes
        uint8_t attempt;     // which signature and key to try next
        uint8_t digest[32];  // up to the trailer, until all is there; then of the whole image
        uint8_t trailer[32];
        bool checking;  // `check` goes on
        Ed25519 check;
        volatile uint32_t verdict;  // what `check` said last; looked at twice
        bool whole;                 // the trailer is right
        bool found;                 // the slot holds it already
        Sha256 hash;
        uint32_t deadline;  // seconds since start
        uint8_t resumes;    // that there have been
        Backoff backoff;
        char etag[HttpResponse::MAX_ETAG + 1];

        // The next bytes of the image.
        void add(const uint8_t* data, uint32_t length);
        uint32_t room() const { return CAPACITY - (received - written); }
    };

    // ---- when to check ----

    void onNetworkUp() override;
    void onBrokerUp() override;
    void onConfirmed() override;
    void onTrigger(const char* payload, size_t length);
    void onOwnTrigger(const char* payload, size_t length);
    void trigger();
    void onSchedule();
    void scheduleNext();
    void checkSoon(uint32_t milliseconds);
    void check();

    // ---- HTTP ----

    void onBegin(uint32_t from, uint32_t total) override;
    void onBody(const uint8_t* data, size_t length) override;
    void onEnd(UpdateError error) override;

    // ---- check, download, verify, install ----

    void rollBack();
    bool cleared();
    void decide();
    void start();
    void look();
    bool hashed();
    void fetch();
    void startOver();
    void request();
    void interrupted(UpdateError error);
    void onResume();
    void receive(const uint8_t* data, size_t length);
    UpdateError inspect(const Descriptor& descriptor) const;
    void proceed();
    void onStep();
    void step(Step next);
    void erase();
    void write();
    void checkSignature();
    void readBack();
    void commit();
    bool runsAsDefault() const;

    void upToDate();
    void fail(UpdateError error);
    void finish(State state, UpdateError error);
    void release();

    // ---- what is reported ----

    void report(State state, UpdateError error);
    void reportProgress();
    static const char* nameOf(State state);
    const char* aboutVersion() const;
    void publish();

    uint32_t standby() const;
    uint32_t address(uint32_t offset) const;

    State state = State::IDLE;
    Step next = Step::ERASE;
    UpdateError error = UpdateError::NONE;
    bool busy = false;
    bool stepping = false;   // the next step's timer is running
    bool triggered = false;  // while it was busy
    bool asked = false;      // for this device alone: try what was rolled back again
    bool refreshing = false;
    bool settled = false;  // there was a check since the start, or since the confirmation
    bool wasConnected = false;
    bool aboutRelease = false;  // what is reported is about `wanted`, not the running version
    uint8_t progress = 0;       // percent
    uint32_t reportedAt = 0;    // ms
    uint32_t checkedAt = 0;     // seconds since start: the last check's beginning
    uint32_t untilCheck = 0;    // seconds that are left when the schedule's timer is done
    size_t fileLength = 0;
    char* file = nullptr;          // the version file, while it is coming
    Download* download = nullptr;  // while an image is coming
    Release wanted;
    Http http;
    Timer schedule;
    Timer stepTimer;
    Timer resumeTimer;
    Subscription toAll;
    Subscription toOne;
};
