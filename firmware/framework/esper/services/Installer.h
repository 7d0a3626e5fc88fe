#pragma once

#include <stdint.h>

#include "../Backoff.h"
#include "../BootConfiguration.h"
#include "../Delta.h"
#include "../Ed25519.h"
#include "../Http.h"
#include "../Relocation.h"
#include "../Sha256.h"
#include "../Timer.h"
#include "../UpdateError.h"
#include "../VersionFile.h"

namespace esper {

// Brings an image of a release into the standby slot and verifies it (SPEC 10): makes it of the
// running one if it can, else downloads it. The running slot is never written. The standby slot
// gets its first sector last, when all else is known to be right, so it is bootable no earlier.
class Installer : private Http::Consumer {
  public:
    class Listener {
      public:
        // The slot does not hold it already. Called again, with the reason, if it has to be
        // downloaded whole because what was made of a delta, or of the running image, is of no use.
        virtual void onDownload(UpdateError reason) = 0;
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

    // Bytes that have come over the air since install().
    uint32_t received() const { return came; }

  private:
    // How the image comes into the slot; tried in this order.
    enum class Way : uint8_t {
        FOUND,       // it is there already
        RELOCATED,   // the running image, for the other slot
        PATCHED,     // made of the running image and a delta
        DOWNLOADED,  // whole
    };

    // What comes next. Each step is short, except for erasing and the signature, so that the device
    // goes on with its work between them.
    enum class Step : uint8_t { TRAILER, MAKE, ERASE, WRITE, LOOK, SIGNATURE, READ_BACK, COMMIT };

    // What is needed while it installs, and only then: about 16.5 KB of the heap.
    struct Download {
        // Whole sectors, and what may still come when the flash is busy.
        static constexpr uint32_t CAPACITY = 3 * Layout::SECTOR;

        // The image's first sector, held back. While others are made, the one that is made: the
        // first comes last.
        uint32_t head[Layout::SECTOR / 4];
        union {
            uint32_t buffer[CAPACITY / 4];  // ring of the bytes from `written` to `received`
            Delta delta;
            Ed25519 check;  // when all is written or held back
        };
        Way way;
        Relocation running;  // valid if `relocatable`
        bool relocatable;
        uint32_t size;       // bytes of the image
        uint32_t coming;     // bytes of the file that is downloaded
        uint32_t received;   // of these
        bool ended;          // there are no more
        bool cleared;        // the slot's first sector is erased
        uint32_t written;    // bytes of the image, or held back; whole sectors, until the end
        uint32_t place;      // of the sector that is written, in the image
        uint32_t length;     // of it
        uint32_t readBack;   // bytes
        uint32_t hashed;     // bytes
        uint8_t attempt;     // which signature and key to try next
        uint8_t digest[32];  // up to the trailer, until all is there; then of the whole image
        uint8_t trailer[32];
        bool checking;              // `check` goes on
        volatile uint32_t verdict;  // what `check` said last; looked at twice
        bool whole;                 // the trailer is right
        Sha256 hash;
        uint32_t deadline;  // seconds since start
        uint8_t resumes;    // that there have been
        Backoff backoff;
        char etag[HttpResponse::MAX_ETAG + 1];

        // The sector that is written.
        const uint32_t* content() const {
            return way == Way::DOWNLOADED ? buffer + place % CAPACITY / 4 : head;
        }
        // The next bytes of the image, to be hashed.
        void add(const void* data, uint32_t length);
        uint32_t room() const {
            return way == Way::PATCHED ? delta.input.room() : CAPACITY - (received - written);
        }
    };
    static_assert(sizeof(Delta) <= Download::CAPACITY, "a delta needs no more RAM than an image");

    void look();
    bool hashed();
    void make();
    void relocate();
    void trailer();
    void patch();
    void made();
    void fetch(UpdateError reason);
    void begin(Way way, uint32_t seconds);
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
    void stored();
    void checkSignature();
    void readBack();
    void commit();
    void fail(UpdateError error);
    void end(UpdateError error);

    Http* const http;
    Listener* const listener;
    const Release* release = nullptr;
    const char* deviceId = nullptr;
    Purpose purpose = Purpose::UPDATE;
    uint32_t slot = 0;  // what is read and verified; what is written is the standby slot
    uint32_t came = 0;
    Download* download = nullptr;  // while it installs
    Step next = Step::ERASE;
    bool stepping = false;  // the next step's timer is running
    SystemTimer stepTimer;
    SystemTimer resumeTimer;
};

}  // namespace esper
