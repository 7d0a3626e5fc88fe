#include "Installer.h"

#include <string.h>
#include <user_interface.h>

#include "../BootRecord.h"
#include "../Clock.h"
#include "../Configuration.h"
#include "../Flash.h"
#include "../Log.h"
#include "../RunRecord.h"
#include "../Signature.h"
#include "../Text.h"

static constexpr uint32_t TIMEOUT = 1800;   // seconds
static constexpr uint32_t FLASH_PAUSE = 5;  // ms between steps that stop everything
static constexpr uint32_t PAUSE = 1;        // ms between the others
static constexpr uint32_t TRAILER = 32;     // bytes
static constexpr uint8_t MAX_RESUMES = 8;
static constexpr uint32_t MIN_ROOM = Connection::WINDOW + 1460;  // bytes that come uncalled for

// Where the image goes: never into the running slot, whatever becomes of a variable.
static uint32_t address(uint32_t offset) {
    return Layout::slot(standbySlot()) + offset;
}

Installer::Installer(Http* http, Listener* listener)
    : http(http),
      listener(listener),
      stepTimer(bind<Installer, &Installer::onStep>, this),
      resumeTimer(bind<Installer, &Installer::onResume>, this) {}

// Begins with what the slot holds, if that may be the release already.
void Installer::install(const Release& wanted, const char* id, Purpose what) {
    release = &wanted;
    deviceId = id;
    purpose = what;
    slot = purpose == Purpose::PROOF ? ownSlot() : standbySlot();
    download = static_cast<Download*>(pvPortMalloc(sizeof(Download), "", 0, false));
    if (download == nullptr) {
        return listener->onInstalled(UpdateError::NO_MEMORY);
    }
    Download& d = *download;
    startOver();
    d.found = false;
    Descriptor holds;
    const bool steady = purpose == Purpose::PROOF || Flash::runsAsDefault();
    if (steady && Flash::descriptor(slot, holds)) {
        d.size = holds.size;
        d.found = inspect(holds) == UpdateError::NONE;
    }
    if (!d.found) {
        return fetch();
    }
    listener->onVerify();
    step(Step::LOOK);
}

// Reads what the slot holds, sector by sector.
void Installer::look() {
    Download& d = *download;
    const uint32_t left = d.size - d.received;
    const uint32_t length = left < Layout::SECTOR ? left : Layout::SECTOR;
    if (!Flash::read(Layout::slot(slot) + d.received, d.buffer, length)) {
        return fetch();
    }
    d.add(reinterpret_cast<uint8_t*>(d.buffer), length);
    if (d.received < d.size) {
        return step(Step::LOOK);
    }
    if (!hashed()) {
        return fetch();
    }
    purpose == Purpose::REFRESH ? end(UpdateError::NONE) : step(Step::SIGNATURE);
}

void Installer::fetch() {
    if (purpose == Purpose::PROOF) {
        return end(UpdateError::BAD_SIGNATURE);
    }
    Download& d = *download;
    startOver();
    d.found = false;
    d.deadline = Clock::seconds() + TIMEOUT;
    d.resumes = 0;
    d.backoff = Backoff();
    listener->onDownload();
    request();
}

// Forgets what has come of the image.
void Installer::startOver() {
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
void Installer::request() {
    const Download& d = *download;
    char name[160];
    Text text(name, sizeof(name));
    text.add(configuration.device).add(".rom").number(standbySlot()).add("?version=");
    for (const char* c = release->version; *c != 0; c++) {
        // A plus in a query may be read as a space.
        *c == '+' ? text.add("%2B") : text.add(*c);
    }
    http->get(this, name, deviceId, d.deadline - Clock::seconds(), d.received, d.etag);
}

// Goes on after a pause if the connection broke, or the server is in trouble or has something
// else by now.
void Installer::interrupted(UpdateError result) {
    Download& d = *download;
    const uint16_t status = http->answer().status();
    const bool refused = result == UpdateError::HTTP_STATUS;
    // What is no status counts as 5xx (RFC 9110, 15).
    const bool trouble = refused && (status >= 500 || status < 100);
    const bool changed = refused && status == 416 && d.received > 0;
    if ((result != UpdateError::UNREACHABLE && !trouble && !changed) || d.resumes == MAX_RESUMES) {
        return end(result);
    }
    if (changed) {
        startOver();
    }
    d.resumes++;
    resumeTimer.once(d.backoff.next(os_random()));
}

void Installer::onResume() {
    const Download& d = *download;
    if (Clock::seconds() >= d.deadline) {
        return end(UpdateError::UNREACHABLE);
    }
    // The flash may be behind.
    d.room() < MIN_ROOM ? resumeTimer.once(100) : request();
}

void Installer::onBegin(uint32_t from, uint32_t total) {
    Download& d = *download;
    if (from > 0) {
        // Another total is another file.
        if (from != d.received || total != d.size) {
            startOver();
            http->cancel();
            interrupted(UpdateError::UNREACHABLE);
        }
    } else if (total > Layout::SLOT_SIZE) {
        end(UpdateError::TOO_LARGE);
    } else if (total < Layout::DESCRIPTOR + sizeof(Descriptor) + TRAILER) {
        end(UpdateError::TRUNCATED);
    } else {
        startOver();
        d.size = total;
        memcpy(d.etag, http->answer().etag(), sizeof(d.etag));
    }
}

void Installer::onEnd(UpdateError error) {
    error == UpdateError::NONE ? proceed() : interrupted(error);
}

// The next bytes of the image.
void Installer::Download::add(const uint8_t* data, uint32_t length) {
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
bool Installer::hashed() {
    Download& d = *download;
    d.whole = memcmp(d.digest, d.trailer, TRAILER) == 0;
    d.hash.finish(d.digest);
    return d.whole;
}

void Installer::onBody(const uint8_t* data, size_t length) {
    Download& d = *download;
    if (length > d.room()) {
        return end(UpdateError::UNREACHABLE);  // more came than the window allows
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

        constexpr uint32_t inspectable = Layout::DESCRIPTOR + sizeof(Descriptor);
        if (before < inspectable && d.received >= inspectable) {
            Descriptor found;
            memcpy(&found, d.buffer + Layout::DESCRIPTOR / 4, sizeof(found));
            const UpdateError result = inspect(found);
            if (result != UpdateError::NONE) {
                return end(result);
            }
        }
    }
    if (d.room() < MIN_ROOM) {
        http->hold();
    }
    proceed();
}

// Whether the image is the one that was asked for.
UpdateError Installer::inspect(const Descriptor& found) const {
    if (found.magic != Descriptor::MAGIC || found.format != Descriptor::FORMAT) {
        return UpdateError::MALFORMED_IMAGE;
    }
    if (strncmp(found.device, configuration.device, sizeof(found.device)) != 0) {
        return UpdateError::WRONG_DEVICE;
    }
    if (strncmp(found.version, release->version, sizeof(found.version)) != 0) {
        return UpdateError::WRONG_VERSION;
    }
    if (found.sequence != release->sequence) {
        return UpdateError::WRONG_SEQUENCE;
    }
    if (found.slot != slot) {
        return UpdateError::WRONG_SLOT;
    }
    // An image of the other link calls functions that are not there.
    using Link = Descriptor::Link;
    if (found.link != ownLink() && found.link != Link::UNMARKED && ownLink() != Link::UNMARKED) {
        return UpdateError::WRONG_LINK;
    }
    if (found.size > Layout::SLOT_SIZE) {
        return UpdateError::TOO_LARGE;
    }
    if (found.size > download->size) {
        return UpdateError::TRUNCATED;
    }
    if (found.size < download->size || found.size % 16 != 0 || !isDescriptor(found, slot)) {
        return UpdateError::MALFORMED_IMAGE;
    }
    return UpdateError::NONE;
}

// Goes on with the flash as soon as there is a sector to write, or the last of it.
void Installer::proceed() {
    const Download& d = *download;
    const uint32_t waiting = d.received - d.written;
    if (!stepping && (waiting >= Layout::SECTOR || d.received == d.size)) {
        step(next);
    }
}

void Installer::step(Step what) {
    next = what;
    stepping = true;
    stepTimer.once(what == Step::ERASE || what == Step::WRITE ? FLASH_PAUSE : PAUSE);
}

void Installer::onStep() {
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
    }
}

void Installer::erase() {
    if (!Flash::erase(address(download->written))) {
        return end(UpdateError::FLASH);
    }
    step(Step::WRITE);
}

void Installer::write() {
    Download& d = *download;
    const uint32_t* sector = d.buffer + d.written % Download::CAPACITY / 4;
    const uint32_t waiting = d.received - d.written;
    const uint32_t length = waiting < Layout::SECTOR ? waiting : Layout::SECTOR;
    if (d.written == 0) {
        memcpy(d.head, sector, length);
    } else if (!Flash::write(address(d.written), sector, length)) {
        return end(UpdateError::FLASH);
    }
    d.written += length;
    next = Step::ERASE;
    listener->onProgress(static_cast<uint8_t>(d.written * 100 / d.size));

    if (d.written < d.size) {
        if (d.room() >= MIN_ROOM) {
            http->unhold();
        }
        return proceed();
    }
    hashed();
    listener->onVerify();
    step(Step::SIGNATURE);
}

// One key and one signature after the other, and each in steps.
void Installer::checkSignature() {
    Download& d = *download;
    if (!d.checking) {
        const uint8_t keys = configuration.keyCount;
        if (d.attempt == keys * release->signers[slot]) {
            return d.found ? fetch() : end(UpdateError::BAD_SIGNATURE);
        }
        const uint8_t attempt = d.attempt++;
        const SignedText text = {configuration.device, release->version, release->sequence, slot,
                                 d.digest};
        d.checking = text.begin(d.check, release->signatures[slot][attempt / keys],
                                configuration.keys[attempt % keys]);
        return step(Step::SIGNATURE);
    }
    d.verdict = d.check.step();
    if (d.verdict != Ed25519::VALID) {
        d.checking = d.verdict == Ed25519::UNDECIDED;
        return step(Step::SIGNATURE);
    }
    if (!d.whole) {
        return end(UpdateError::MALFORMED_IMAGE);  // the bootloader would refuse it
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
void Installer::readBack() {
    Download& d = *download;
    if (d.readBack < d.size) {
        const uint32_t left = d.size - d.readBack;
        const uint32_t length = left < Layout::SECTOR ? left : Layout::SECTOR;
        if (!Flash::read(address(d.readBack), d.buffer, length)) {
            return end(UpdateError::FLASH);
        }
        d.hash.update(d.buffer, length);
        d.readBack += length;
        return step(Step::READ_BACK);
    }
    uint8_t found[32];
    d.hash.finish(found);
    if (memcmp(found, d.digest, sizeof(found)) != 0) {
        return end(UpdateError::FLASH);
    }
    step(Step::COMMIT);
}

// The first sector, its first word last: the image becomes whole with the last write. Until
// then the boot configuration may be written, if it does not name the running slot.
void Installer::commit() {
    Download& d = *download;
    if (d.verdict != Ed25519::VALID) {
        return end(UpdateError::BAD_SIGNATURE);  // the check before was jumped over
    }
    const uint8_t own = static_cast<uint8_t>(ownSlot());
    const uint32_t length = d.size < Layout::SECTOR ? d.size : Layout::SECTOR;
    if (!d.found &&
        ((!Flash::runsAsDefault() && !Flash::setBootSlot(own)) ||
         !Flash::write(address(4), d.head + 1, length - 4) ||
         !Flash::write(address(0), d.head, 4) || !Flash::read(address(0), d.buffer, length) ||
         memcmp(d.buffer, d.head, length) != 0)) {
        return end(UpdateError::FLASH);
    }
    if (purpose == Purpose::UPDATE) {
        const uint8_t standby = static_cast<uint8_t>(standbySlot());
        BootRecord{BootRecord::TRIAL, 0, own, standby}.write();
        RunRecord run = RunRecord::read();
        run.trial = static_cast<uint8_t>(standby + 1);
        run.write();
    }
    end(UpdateError::NONE);
}

void Installer::end(UpdateError error) {
    http->cancel();
    stepTimer.stop();
    resumeTimer.stop();
    stepping = false;
    vPortFree(download, "", 0);
    download = nullptr;
    listener->onInstalled(error);
}
