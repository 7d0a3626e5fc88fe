#include "Update.h"

#include <osapi.h>
#include <string.h>
#include <user_interface.h>

#include "../BootRecord.h"
#include "../Configuration.h"
#include "../Device.h"
#include "../Flash.h"
#include "../Json.h"
#include "../Log.h"
#include "../Refusals.h"
#include "../Signature.h"

static constexpr uint32_t START_JITTER = 2000;      // ms
static constexpr uint32_t LONGEST_TIMER = 3600;     // seconds
static constexpr uint32_t TRIGGER_PAUSE = 5;        // seconds from check to check
static constexpr uint32_t CHECK_TIMEOUT = 30;       // seconds
static constexpr uint32_t DOWNLOAD_TIMEOUT = 1800;  // seconds
static constexpr uint32_t FLASH_PAUSE = 5;          // ms between steps that stop everything
static constexpr uint32_t PAUSE = 1;                // ms between the others
static constexpr uint32_t REPORT_INTERVAL = 1000;   // ms
static constexpr uint32_t TRAILER = 32;             // bytes
static constexpr uint8_t MAX_RESUMES = 8;
static constexpr uint32_t MIN_ROOM = Connection::WINDOW + 1460;  // bytes that come uncalled for

Update::Update(Device* device)
    : Service(device),
      http(this),
      schedule(bind<Update, &Update::onSchedule>, this),
      stepTimer(bind<Update, &Update::onStep>, this),
      resumeTimer(bind<Update, &Update::onResume>, this),
      toAll(device, Subscription::Scope::ALL, "update", "", ::receive<Update, &Update::onTrigger>,
            this),
      toOne(device, Subscription::Scope::ONE, "update", "",
            ::receive<Update, &Update::onOwnTrigger>, this) {
    if (device->onTrial()) {
        state = State::TRIAL;
    } else {
        rollBack();
    }
}

uint32_t Update::standby() const {
    return 1 - ownSlot();
}
uint32_t Update::address(uint32_t offset) const {
    return Layout::slot(standby()) + offset;
}

// ---- when to check ----

void Update::onNetworkUp() {
    checkSoon(os_random() % START_JITTER);
}

void Update::onBrokerUp() {
    publish();
    // A trigger may have been missed meanwhile.
    if (wasConnected) {
        checkSoon(os_random() % START_JITTER);
    }
    wasConnected = true;
}

void Update::onConfirmed() {
    triggered = false;
    report(State::CONFIRMED, UpdateError::NONE);
    checkSoon(os_random() % START_JITTER);
}

void Update::onTrigger(const char*, size_t) {
    trigger();
}

void Update::onOwnTrigger(const char*, size_t) {
    asked = true;
    trigger();
}

// Whoever can publish must not be able to let devices hammer the server.
void Update::trigger() {
    if (busy) {
        triggered = true;
        return;
    }
    const uint32_t since = Clock::seconds() - checkedAt;
    checkSoon(since < TRIGGER_PAUSE ? (TRIGGER_PAUSE - since) * 1000 : 0);
}

void Update::checkSoon(uint32_t milliseconds) {
    untilCheck = 0;
    schedule.once(milliseconds + 1);
}

// The interval, give or take a tenth. The SDK's timers do not reach far enough for all of it.
void Update::scheduleNext() {
    const uint32_t interval = configuration.updateInterval;
    if (interval == 0) {
        return;
    }
    untilCheck = interval - interval / 10 + os_random() % (interval / 5 + 1);
    onSchedule();
}

void Update::onSchedule() {
    if (untilCheck == 0) {
        check();
        return;
    }
    const uint32_t part = untilCheck < LONGEST_TIMER ? untilCheck : LONGEST_TIMER;
    untilCheck -= part;
    schedule.once(part * 1000);
}

void Update::check() {
    if (busy || device->onTrial()) {
        triggered = true;
        return;
    }
    file = static_cast<char*>(pvPortMalloc(Release::MAX_FILE, "", 0, false));
    if (file == nullptr) {
        ESPER_LOG("update", "no memory");
        scheduleNext();
        return;
    }
    busy = true;
    checkedAt = Clock::seconds();
    schedule.stop();
    fileLength = 0;
    refreshing = false;
    // The check that follows a confirmation is for the refresh.
    if (state != State::CONFIRMED || settled) {
        aboutRelease = false;
        progress = 0;
        report(State::CHECKING, UpdateError::NONE);
    }

    char name[40];
    Text(name, sizeof(name)).add(configuration.device).add(".version");
    http.get(name, device->id(), CHECK_TIMEOUT);
}

// ---- HTTP ----

void Update::onBegin(uint32_t from, uint32_t total) {
    if (download == nullptr) {
        if (total > Release::MAX_FILE) {
            fail(UpdateError::MALFORMED_VERSION_FILE);
        }
    } else if (from > 0) {
        // Another total is another file.
        if (from != download->received || total != download->size) {
            startOver();
            http.cancel();
            interrupted(UpdateError::UNREACHABLE);
        }
    } else if (total > Layout::SLOT_SIZE) {
        fail(UpdateError::TOO_LARGE);
    } else if (total < Layout::DESCRIPTOR + sizeof(Descriptor) + TRAILER) {
        fail(UpdateError::TRUNCATED);
    } else {
        startOver();
        download->size = total;
        memcpy(download->etag, http.answer().etag(), sizeof(download->etag));
    }
}

void Update::onBody(const uint8_t* data, size_t length) {
    if (download != nullptr) {
        receive(data, length);
    } else {
        memcpy(file + fileLength, data, length);  // onBegin saw to it that it fits
        fileLength += length;
    }
}

void Update::onEnd(UpdateError result) {
    if (result != UpdateError::NONE) {
        download == nullptr ? fail(result) : interrupted(result);
    } else if (download == nullptr) {
        decide();
    } else {
        proceed();
    }
}

// ---- check, download, verify, install ----

// What became of the trial before this start, if there was one: its release is not tried
// again, and must not be what boots if the boot configuration is ever lost.
void Update::rollBack() {
    Descriptor tried;
    if (!Flash::descriptor(standby(), tried)) {
        return;
    }
    const BootRecord record = BootRecord::read();
    const uint32_t reset = system_get_rst_info()->reason;
    // RTC memory may outlive a short power cut, which says nothing against the release.
    const bool rolledBack = (record.lastMode & BootRecord::ROLLED_BACK) &&
                            record.tempRom == standby() && reset != REASON_DEFAULT_RST;
    if (rolledBack) {
        error = UpdateError::NOT_CONFIRMED;
        if (reset == REASON_EXCEPTION_RST) {
            error = UpdateError::CRASHED;
        } else if (reset == REASON_WDT_RST || reset == REASON_SOFT_WDT_RST) {
            error = UpdateError::HUNG;
        }
        state = State::ROLLED_BACK;
        aboutRelease = true;
        strcpy(wanted.version, tried.version);
        if (!Refusals::add(tried.version, tried.sequence, error)) {
            // No room: forget the others.
            Flash::erase(address(0));
            Flash::setBootSlot(static_cast<uint8_t>(ownSlot()));
            Refusals::add(tried.version, tried.sequence, error);
        }
    }
    // Also when the power was cut in here.
    if ((rolledBack || Refusals::find(tried.version, tried.sequence) != UpdateError::NONE) &&
        !Flash::erase(address(0))) {
        state = State::FAILED;
        error = UpdateError::FLASH;
        aboutRelease = true;
        strcpy(wanted.version, tried.version);
    }
}

// Whether the standby slot is rid of the wanted release, which is refused. That may have failed
// when it was rolled back.
bool Update::cleared() {
    Descriptor holds;
    return !Flash::descriptor(standby(), holds) || holds.sequence != wanted.sequence ||
           strcmp(holds.version, wanted.version) != 0 || Flash::erase(address(0));
}

void Update::decide() {
    const bool valid = wanted.parse(file, fileLength);
    release();
    if (!valid) {
        return fail(UpdateError::MALFORMED_VERSION_FILE);
    }
    bool install = false;
    const UpdateError result =
        wanted.decide(configuration.version, configuration.sequence, &install);
    aboutRelease = install || result != UpdateError::NONE;
    if (result != UpdateError::NONE) {
        return fail(result);
    }
    if (!install) {
        refreshing = configuration.refresh && wanted.sequence == configuration.sequence;
        return refreshing ? start() : upToDate();
    }
    const UpdateError refusal = Refusals::find(wanted.version, wanted.sequence);
    if (refusal != UpdateError::NONE) {
        if (!asked) {
            return cleared() ? finish(State::ROLLED_BACK, refusal) : fail(UpdateError::FLASH);
        }
        Refusals::strike(wanted.version, wanted.sequence);
    }
    start();
}

// Begins with what the standby slot holds, if that may be the release already.
void Update::start() {
    download = static_cast<Download*>(pvPortMalloc(sizeof(Download), "", 0, false));
    if (download == nullptr) {
        ESPER_LOG("update", "no memory");
        return fail(UpdateError::UNREACHABLE);
    }
    Download& d = *download;
    startOver();
    d.found = false;
    Descriptor holds;
    if (runsAsDefault() && Flash::descriptor(standby(), holds)) {
        d.size = holds.size;
        d.found = inspect(holds) == UpdateError::NONE;
    }
    if (!d.found) {
        return fetch();
    }
    if (!refreshing) {
        report(State::VERIFYING, UpdateError::NONE);
    }
    step(Step::LOOK);
}

// Reads what the slot holds, sector by sector.
void Update::look() {
    Download& d = *download;
    const uint32_t left = d.size - d.received;
    const uint32_t length = left < Layout::SECTOR ? left : Layout::SECTOR;
    if (!Flash::read(address(d.received), d.buffer, length)) {
        return fetch();
    }
    d.add(reinterpret_cast<uint8_t*>(d.buffer), length);
    if (d.received < d.size) {
        return step(Step::LOOK);
    }
    if (!hashed()) {
        return fetch();
    }
    refreshing ? upToDate() : step(Step::SIGNATURE);
}

void Update::fetch() {
    Download& d = *download;
    startOver();
    d.found = false;
    d.deadline = Clock::seconds() + DOWNLOAD_TIMEOUT;
    d.resumes = 0;
    d.backoff = Backoff();
    progress = 0;
    report(refreshing ? State::CONFIRMED : State::DOWNLOADING, UpdateError::NONE);
    request();
}

// Forgets what has come of the image.
void Update::startOver() {
    Download& d = *download;
    d.received = d.written = d.readBack = 0;
    d.attempt = 0;
    d.checking = false;
    d.verdict = Ed25519::INVALID;
    d.etag[0] = 0;
    d.whole = false;
    d.hash = Sha256();
    next = Step::ERASE;
    stepTimer.stop();
    stepping = false;
}

// Asks for the image, or for what is missing of it.
void Update::request() {
    const Download& d = *download;
    char name[160];
    Text text(name, sizeof(name));
    text.add(configuration.device).add(".rom").number(standby()).add("?version=");
    for (const char* c = wanted.version; *c != 0; c++) {
        // A plus in a query may be read as a space.
        *c == '+' ? text.add("%2B") : text.add(*c);
    }
    http.get(name, device->id(), d.deadline - Clock::seconds(), d.received, d.etag);
}

// Goes on after a pause if the connection broke, or the server is in trouble or has something
// else by now.
void Update::interrupted(UpdateError result) {
    Download& d = *download;
    const uint16_t status = http.answer().status();
    const bool refused = result == UpdateError::HTTP_STATUS;
    const bool resumable = result == UpdateError::UNREACHABLE ||
                           (refused && d.received > 0 && (status == 416 || status >= 500));
    if (!resumable || d.resumes == MAX_RESUMES) {
        return fail(result);
    }
    if (refused && status == 416) {
        startOver();
    }
    d.resumes++;
    resumeTimer.once(d.backoff.next(os_random()));
}

void Update::onResume() {
    const Download& d = *download;
    if (Clock::seconds() >= d.deadline) {
        return fail(UpdateError::UNREACHABLE);
    }
    // The flash may be behind.
    d.room() < MIN_ROOM ? resumeTimer.once(100) : request();
}

// The next bytes of the image.
void Update::Download::add(const uint8_t* data, uint32_t length) {
    const uint32_t body = size - TRAILER;
    while (length > 0) {
        uint32_t part = length;
        if (received < body && part > body - received) {
            part = body - received;
        }
        if (received == body) {
            Sha256 untilHere = hash;
            untilHere.finish(digest);
        }
        if (received >= body) {
            memcpy(trailer + (received - body), data, part);
        }
        hash.update(data, part);
        received += part;
        data += part;
        length -= part;
    }
}

// When all is there: whether the trailer is right.
bool Update::hashed() {
    Download& d = *download;
    d.whole = memcmp(d.digest, d.trailer, TRAILER) == 0;
    d.hash.finish(d.digest);
    return d.whole;
}

void Update::receive(const uint8_t* data, size_t length) {
    Download& d = *download;
    if (length > d.room()) {
        return fail(UpdateError::UNREACHABLE);  // more came than the window allows
    }
    while (length > 0) {
        // Pieces end at the end of the ring.
        const uint32_t place = d.received % Download::CAPACITY;
        uint32_t part = static_cast<uint32_t>(length);
        if (part > Download::CAPACITY - place) {
            part = Download::CAPACITY - place;
        }
        memcpy(reinterpret_cast<uint8_t*>(d.buffer) + place, data, part);
        const uint32_t before = d.received;
        d.add(data, part);
        data += part;
        length -= part;

        constexpr uint32_t end = Layout::DESCRIPTOR + sizeof(Descriptor);
        if (before < end && d.received >= end) {
            Descriptor found;
            memcpy(&found, d.buffer + Layout::DESCRIPTOR / 4, sizeof(found));
            const UpdateError result = inspect(found);
            if (result != UpdateError::NONE) {
                return fail(result);
            }
        }
    }
    if (d.room() < MIN_ROOM) {
        http.hold();
    }
    proceed();
}

// Whether the image is the one that was asked for.
UpdateError Update::inspect(const Descriptor& found) const {
    if (found.magic != Descriptor::MAGIC || found.format != Descriptor::FORMAT) {
        return UpdateError::MALFORMED_IMAGE;
    }
    if (strncmp(found.device, configuration.device, sizeof(found.device)) != 0) {
        return UpdateError::WRONG_DEVICE;
    }
    if (strncmp(found.version, wanted.version, sizeof(found.version)) != 0) {
        return UpdateError::WRONG_VERSION;
    }
    if (found.sequence != wanted.sequence) {
        return UpdateError::WRONG_SEQUENCE;
    }
    if (found.slot != standby()) {
        return UpdateError::WRONG_SLOT;
    }
    if (found.size > Layout::SLOT_SIZE) {
        return UpdateError::TOO_LARGE;
    }
    if (found.size > download->size) {
        return UpdateError::TRUNCATED;
    }
    if (found.size < download->size || found.size % 16 != 0 || !isDescriptor(found, standby())) {
        return UpdateError::MALFORMED_IMAGE;
    }
    return UpdateError::NONE;
}

// Goes on with the flash as soon as there is a sector to write, or the last of it.
void Update::proceed() {
    const Download& d = *download;
    const uint32_t waiting = d.received - d.written;
    if (!stepping && (waiting >= Layout::SECTOR || d.received == d.size)) {
        step(next);
    }
}

void Update::step(Step what) {
    next = what;
    stepping = true;
    stepTimer.once(what == Step::ERASE || what == Step::WRITE ? FLASH_PAUSE : PAUSE);
}

void Update::onStep() {
    stepping = false;
    switch (next) {
        case Step::LOOK:
            return look();
        case Step::ERASE:
            return erase();
        case Step::WRITE:
            return write();
        case Step::SIGNATURE:
            return checkSignature();
        case Step::READ_BACK:
            return readBack();
        case Step::COMMIT:
            return commit();
        case Step::RESTART:
            return device->restart();
    }
}

void Update::erase() {
    if (!Flash::erase(address(download->written))) {
        return fail(UpdateError::FLASH);
    }
    step(Step::WRITE);
}

void Update::write() {
    Download& d = *download;
    const uint32_t* sector = d.buffer + d.written % Download::CAPACITY / 4;
    const uint32_t waiting = d.received - d.written;
    const uint32_t length = waiting < Layout::SECTOR ? waiting : Layout::SECTOR;
    if (d.written == 0) {
        memcpy(d.head, sector, length);
    } else if (!Flash::write(address(d.written), sector, length)) {
        return fail(UpdateError::FLASH);
    }
    d.written += length;
    next = Step::ERASE;
    reportProgress();

    if (d.written < d.size) {
        if (d.room() >= MIN_ROOM) {
            http.unhold();
        }
        return proceed();
    }
    hashed();
    if (!refreshing) {
        report(State::VERIFYING, UpdateError::NONE);
    }
    step(Step::SIGNATURE);
}

// One key and one signature after the other, and each in steps.
void Update::checkSignature() {
    Download& d = *download;
    if (!d.checking) {
        const uint8_t keys = configuration.keyCount;
        if (d.attempt == keys * wanted.signers[standby()]) {
            return d.found ? fetch() : fail(UpdateError::BAD_SIGNATURE);
        }
        const uint8_t attempt = d.attempt++;
        const SignedText text = {configuration.device, wanted.version, wanted.sequence, standby(),
                                 d.digest};
        d.checking = text.begin(d.check, wanted.signatures[standby()][attempt / keys],
                                configuration.keys[attempt % keys]);
        return step(Step::SIGNATURE);
    }
    d.verdict = d.check.step();
    if (d.verdict != Ed25519::VALID) {
        d.checking = d.verdict == Ed25519::UNDECIDED;
        return step(Step::SIGNATURE);
    }
    if (!d.whole) {
        return fail(UpdateError::MALFORMED_IMAGE);  // the bootloader would refuse it
    }
    if (d.found) {
        return step(Step::COMMIT);
    }
    d.hash = Sha256();
    d.hash.update(d.head, d.size < Layout::SECTOR ? d.size : Layout::SECTOR);
    d.readBack = Layout::SECTOR;
    step(Step::READ_BACK);
}

// What is in flash, not what was meant to be, must be what was signed.
void Update::readBack() {
    Download& d = *download;
    if (d.readBack < d.size) {
        const uint32_t left = d.size - d.readBack;
        const uint32_t length = left < Layout::SECTOR ? left : Layout::SECTOR;
        if (!Flash::read(address(d.readBack), d.buffer, length)) {
            return fail(UpdateError::FLASH);
        }
        d.hash.update(d.buffer, length);
        d.readBack += length;
        return step(Step::READ_BACK);
    }
    uint8_t found[32];
    d.hash.finish(found);
    if (memcmp(found, d.digest, sizeof(found)) != 0) {
        return fail(UpdateError::FLASH);
    }
    step(Step::COMMIT);
}

// The first sector, its first word last: the image becomes whole with the last write. Until
// then the boot configuration may be written, if it does not name the running slot.
void Update::commit() {
    Download& d = *download;
    if (d.verdict != Ed25519::VALID) {
        return fail(UpdateError::BAD_SIGNATURE);  // the check before was jumped over
    }
    const uint8_t own = static_cast<uint8_t>(ownSlot());
    const uint32_t length = d.size < Layout::SECTOR ? d.size : Layout::SECTOR;
    if (!d.found &&
        ((!runsAsDefault() && !Flash::setBootSlot(own)) ||
         !Flash::write(address(4), d.head + 1, length - 4) ||
         !Flash::write(address(0), d.head, 4) || !Flash::read(address(0), d.buffer, length) ||
         memcmp(d.buffer, d.head, length) != 0)) {
        return fail(UpdateError::FLASH);
    }
    if (refreshing) {
        return upToDate();
    }
    BootRecord{BootRecord::TRIAL, 0, own, static_cast<uint8_t>(standby())}.write();
    step(Step::RESTART);
}

// Whether the boot configuration names the running slot.
bool Update::runsAsDefault() const {
    BootConfiguration boot;
    return Flash::bootConfiguration(boot) && boot.current == ownSlot();
}

// There is nothing to do, or no more.
void Update::upToDate() {
    const bool confirmed = state == State::CONFIRMED;
    if (confirmed) {
        progress = 100;
    }
    finish(confirmed ? State::CONFIRMED : State::IDLE, UpdateError::NONE);
}

void Update::fail(UpdateError reason) {
    // The firmware that runs is none the worse if only its copy could not be had.
    finish(refreshing ? State::CONFIRMED : State::FAILED, reason);
}

void Update::finish(State result, UpdateError reason) {
    http.cancel();
    stepTimer.stop();
    resumeTimer.stop();
    stepping = false;
    release();
    busy = false;
    settled = true;
    asked = asked && triggered;
    report(result, reason);
    if (triggered) {
        triggered = false;
        trigger();
    } else {
        scheduleNext();
    }
}

void Update::release() {
    if (file != nullptr) {
        vPortFree(file, "", 0);
        file = nullptr;
    }
    if (download != nullptr) {
        vPortFree(download, "", 0);
        download = nullptr;
    }
}

// ---- what is reported ----

const char* Update::nameOf(State state) {
    static const char* const NAMES[] = {"idle",  "checking",  "downloading", "verifying",
                                        "trial", "confirmed", "failed",      "rolled-back"};
    return NAMES[static_cast<uint8_t>(state)];
}

const char* Update::aboutVersion() const {
    return aboutRelease ? wanted.version : configuration.version;
}

void Update::report(State newState, UpdateError newError) {
    state = newState;
    error = newError;
    ESPER_LOG("update", "%s %s %s", nameOf(state), aboutVersion(), ::nameOf(error));
    publish();
}

void Update::reportProgress() {
    const uint8_t now = static_cast<uint8_t>(download->written * 100 / download->size);
    if (now >= progress + 5 && Clock::milliseconds() - reportedAt >= REPORT_INTERVAL) {
        progress = now;
        publish();
    }
}

void Update::publish() {
    if (state == State::VERIFYING || state == State::TRIAL) {
        progress = 100;
    }
    char buffer[160];
    Json json(buffer, sizeof(buffer));
    json.object();
    json.string("state", nameOf(state));
    json.string("version", aboutVersion());
    json.number("progress", uint32_t{progress});
    json.string("error", ::nameOf(error));
    json.endObject();
    device->publish("update/status", json.text(), json.length());
    reportedAt = Clock::milliseconds();
}
