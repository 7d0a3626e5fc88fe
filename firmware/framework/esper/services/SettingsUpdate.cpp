#include "SettingsUpdate.h"

#include <string.h>
#include <user_interface.h>

#include "../Configuration.h"
#include "../Device.h"
#include "../Json.h"
#include "../Log.h"
#include "../Settings.h"
#include "../Sha256.h"
#include "../Signature.h"
#include "../Text.h"
#include "Update.h"

namespace esper {

static constexpr uint32_t CHECK_TIMEOUT = 30;  // seconds
static constexpr uint32_t PAUSE = 1;           // ms between steps

// The names of the sequences (SPEC 12.2).
static constexpr const char* OF_FLEET = "sequence";
static constexpr const char* OF_DEVICE = "device.sequence";

SettingsUpdate::SettingsUpdate(Device* device, Update* update)
    : Service(device), update(update), step(bind<SettingsUpdate, &SettingsUpdate::onStep>, this) {
    look();
    update->checkSettings(this);
}

void SettingsUpdate::check(Http* connection, bool asked) {
    http = connection;
    again = asked;
    work = static_cast<Work*>(pvPortMalloc(sizeof(Work), "", 0, false));
    if (work == nullptr) {
        return fail(UpdateError::NO_MEMORY);
    }
    work->length = 0;
    char name[48];
    Text(name, sizeof(name)).add(configuration.device).add(".settings");
    http->get(this, name, device->id(), CHECK_TIMEOUT);
}

void SettingsUpdate::onBegin(uint32_t, uint32_t total) {
    if (total > SettingsFile::MAX_SIZE) {
        fail(UpdateError::MALFORMED_SETTINGS);
    }
}

void SettingsUpdate::onBody(const uint8_t* data, size_t length) {
    memcpy(reinterpret_cast<uint8_t*>(work->file) + work->length, data, length);
    work->length += length;
}

void SettingsUpdate::onEnd(UpdateError result) {
    if (result == UpdateError::NONE) {
        decide();
    } else if (result == UpdateError::HTTP_STATUS && http->answer().status() == 404) {
        nothingNew();
    } else {
        fail(result);
    }
}

void SettingsUpdate::decide() {
    Work& w = *work;
    if (!w.release.parse(reinterpret_cast<uint8_t*>(w.file), w.length)) {
        return fail(UpdateError::MALFORMED_SETTINGS);
    }
    const char* const kind = w.release.forOneDevice() ? OF_DEVICE : OF_FLEET;
    const uint32_t own = static_cast<uint32_t>(Settings::record().number(kind));
    bool accept = false;
    const UpdateError result = w.release.decide(configuration.device, device->id(), own, &accept);
    if (result != UpdateError::NONE) {
        return fail(result, sequence());
    }
    if (!accept) {
        return nothingNew();
    }
    if (Settings::candidate() == Settings::Candidate::REJECTED && !again &&
        Settings::candidateNumber(kind) == sequence()) {
        about = sequence();
        return end(State::ROLLED_BACK, Settings::rejection());
    }
    Sha256 sum;
    uint8_t digest[Sha256::SIZE];
    sum.update(w.release.hashed(), w.release.signedSize());
    sum.finish(digest);
    if (!w.release.signedText(digest, w.text, sizeof(w.text), w.textLength)) {
        return fail(UpdateError::MALFORMED_SETTINGS, sequence());
    }
    w.attempt = 0;
    w.checking = false;
    w.verdict = Ed25519::INVALID;
    step.once(PAUSE);
}

// A signature takes a while, in which the device goes on with its work.
void SettingsUpdate::onStep() {
    Work& w = *work;
    if (!w.checking) {
        const uint8_t keys = configuration.keyCount;
        if (w.attempt == keys * w.release.signatures()) {
            return fail(UpdateError::BAD_SIGNATURE, sequence());
        }
        const uint8_t attempt = w.attempt++;
        w.checking =
            beginSignature(w.check, w.text, w.textLength, w.release.signature(attempt / keys),
                           configuration.keys[attempt % keys]);
        return step.once(PAUSE);
    }
    w.verdict = w.check.step();
    if (w.verdict != Ed25519::VALID) {
        w.checking = w.verdict == Ed25519::UNDECIDED;
        return step.once(PAUSE);
    }
    take();
}

// Opens the entries with the key of that name. nullptr: there is none, or it does not open them.
uint8_t* SettingsUpdate::openWith(const char* name) {
    const uint8_t* const key = Settings::record().key(name);
    return key != nullptr ? work->release.open(key) : nullptr;
}

void SettingsUpdate::take() {
    Work& w = *work;
    if (w.verdict != Ed25519::VALID) {
        return fail(UpdateError::BAD_SIGNATURE, sequence());  // the check before was jumped over
    }
    const char* const kind = w.release.forOneDevice() ? OF_DEVICE : OF_FLEET;
    const uint32_t size = static_cast<uint32_t>(w.release.sealedSize());
    uint8_t* opened = openWith("fleet");
    if (opened == nullptr && w.release.forOneDevice()) {
        opened = openWith("device.key");
    }
    if (opened == nullptr) {
        return fail(UpdateError::WRONG_FLEET_KEY, sequence());
    }
    const Entries changes(opened, size);
    if (!changes.valid()) {
        return fail(UpdateError::MALFORMED_SETTINGS, sequence());
    }
    const int32_t number = sequence();
    const UpdateError result = Settings::propose(changes, kind, number);
    if (result != UpdateError::NONE) {
        return fail(result, number);
    }
    about = number;
    end(State::TRIAL, UpdateError::NONE);
}

void SettingsUpdate::fail(UpdateError reason, int32_t sequence) {
    about = sequence;
    end(State::FAILED, reason);
}

// Of an earlier failure, nothing is left; of a rejected candidate, there is.
void SettingsUpdate::nothingNew() {
    if (state == State::FAILED) {
        state = State::IDLE;
        error = UpdateError::NONE;
    }
    look();
    end(state, error);
}

void SettingsUpdate::end(State result, UpdateError reason) {
    http->cancel();
    step.stop();
    freeWork();
    state = result;
    error = reason;
    if (reason != UpdateError::NONE) {
        ESPER_INFO("settings", "%s %d %s", nameOf(state), static_cast<int>(about),
                   esper::nameOf(reason));
    }
    report();
    update->proceed();
    if (state == State::TRIAL) {
        device->trySettings();
    }
}

void SettingsUpdate::freeWork() {
    if (work != nullptr) {
        memset(static_cast<void*>(work), 0, sizeof(*work));  // what was sealed is not to stay
        vPortFree(work, "", 0);
        work = nullptr;
    }
}

// Other settings are used, or there is another candidate.
void SettingsUpdate::onSettings() {
    look();
    report();
}

void SettingsUpdate::look() {
    const int32_t sequence = Settings::candidateNumber(OF_FLEET);
    const bool fleet = sequence > Settings::record().number(OF_FLEET);
    if (Settings::candidate() == Settings::Candidate::NONE) {
        if (state != State::FAILED) {
            state = state == State::TRIAL ? State::CONFIRMED : state;
            about = 0;
        }
    } else {
        state = State::IDLE;
        error = UpdateError::NONE;
        about = fleet ? sequence : Settings::candidateNumber(OF_DEVICE);
        const bool rejected = Settings::candidate() == Settings::Candidate::REJECTED;
        if (Settings::trying()) {
            state = State::TRIAL;
        } else if (rejected) {
            state = State::ROLLED_BACK;
            error = Settings::rejection();
        }
    }
    ESPER_INFO("settings", "%s %d %s", nameOf(state), static_cast<int>(about),
               esper::nameOf(error));
}

const char* SettingsUpdate::nameOf(State state) {
    static const char* const NAMES[] = {"idle", "trial", "confirmed", "failed", "rolled-back"};
    return NAMES[static_cast<uint8_t>(state)];
}

void SettingsUpdate::report() {
    char buffer[160];
    Json json(buffer, sizeof(buffer));
    json.object();
    json.string("state", nameOf(state));
    json.number("sequence", Settings::record().number(OF_FLEET));
    json.number("own", Settings::record().number(OF_DEVICE));
    json.number("candidate", about);
    json.string("from", Settings::inFlash() ? "flash" : "image");
    json.string("error", esper::nameOf(error));
    json.endObject();
    publish("settings", json.text(), json.length());
}

}  // namespace esper
