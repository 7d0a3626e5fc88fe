#pragma once

#include <stdint.h>

#include "../Backoff.h"
#include "../BootConfiguration.h"
#include "../Ed25519.h"
#include "../Http.h"
#include "../Sha256.h"
#include "../Timer.h"
#include "../UpdateError.h"
#include "../VersionFile.h"

// Brings an image of a release into the standby slot: downloads it if need be, and verifies
// it (SPEC 10). The running slot is never written. The standby slot gets its first sector
// last, when all else is known to be right, so it is bootable no earlier.
class Installer : private Http::Consumer {
  public:
    class Listener {
      public:
        virtual void onDownload() = 0;  // the slot does not hold it already
        virtual void onProgress(uint8_t percent) = 0;
        virtual void onVerify() = 0;
        // NONE: the slot holds the release, whole and verified.
        virtual void onInstalled(UpdateError error) = 0;
    };

    Installer(Http* http, Listener* listener);

    enum class Purpose : uint8_t {
        UPDATE,   // install it and ask for its trial
        REFRESH,  // the running release, for the standby slot too. Found there, its hash will do
        PROOF,    // the running release is verified where it runs: nothing is written
    };

    // Ends in onInstalled. The release must stay as it is until then.
    void install(const Release& release, const char* deviceId, Purpose purpose);

  private:
    // What comes next when an image is coming or has come. Each step is short, except for
    // erasing and the signature, so that the device goes on with its work between them.
    enum class Step : uint8_t { LOOK, ERASE, WRITE, SIGNATURE, READ_BACK, COMMIT };

    // What is needed while it installs, and only then: about 17 KB of the heap.
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

    void look();
    bool hashed();
    void fetch();
    void startOver();
    void request();
    void interrupted(UpdateError error);
    void onResume();

    void onBegin(uint32_t from, uint32_t total) override;
    void onBody(const uint8_t* data, size_t length) override;
    void onEnd(UpdateError error) override;
    UpdateError inspect(const Descriptor& descriptor) const;

    void proceed();
    void onStep();
    void step(Step next);
    void erase();
    void write();
    void checkSignature();
    void readBack();
    void commit();
    void end(UpdateError error);

    Http* const http;
    Listener* const listener;
    const Release* release = nullptr;
    const char* deviceId = nullptr;
    Purpose purpose = Purpose::UPDATE;
    uint32_t slot = 0;             // what is read and verified; what is written is the standby slot
    Download* download = nullptr;  // while it installs
    Step next = Step::ERASE;
    bool stepping = false;  // the next step's timer is running
    Timer stepTimer;
    Timer resumeTimer;
};
