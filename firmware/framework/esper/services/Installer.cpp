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

namespace esper {

static constexpr uint32_t TIMEOUT = 1800;       // seconds
static constexpr uint32_t DELTA_TIMEOUT = 300;  // seconds
static constexpr uint32_t FLASH_PAUSE = 5;      // ms between steps that stop everything
static constexpr uint32_t PAUSE = 1;            // ms between the others
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
    came = 0;
    slot = purpose == Purpose::PROOF ? ownSlot() : standbySlot();
    download = static_cast<Download*>(pvPortMalloc(sizeof(Download), "", 0, false));
    if (download == nullptr) {
        return listener->onInstalled(UpdateError::NO_MEMORY);
    }
    Download& d = *download;
    d.way = Way::FOUND;
    d.relocatable = d.running.begin(
        reinterpret_cast<const volatile uint32_t*>(Layout::MAPPED + Layout::slot(ownSlot())));
    startOver();
    Descriptor holds;
    const bool steady = purpose == Purpose::PROOF || Flash::runsAsDefault();
    if (!steady || !Flash::descriptor(slot, holds)) {
        return make();
    }
    d.size = d.coming = holds.size;
    if (inspect(holds) != UpdateError::NONE) {
        return make();
    }
    listener->onVerify();
    step(Step::LOOK);
}

// Reads what the slot holds, or will hold, sector by sector.
void Installer::look() {
    Download& d = *download;
    const uint32_t left = d.size - d.hashed;
    const uint32_t length = left < Layout::SECTOR ? left : Layout::SECTOR;
    if (d.hashed == 0 && d.way != Way::FOUND) {
        d.add(d.head, length);
    } else if (Flash::read(Layout::slot(slot) + d.hashed, d.buffer, length)) {
        d.add(d.buffer, length);
    } else {
        return fail(UpdateError::FLASH);
    }
    if (d.hashed < d.size) {
        return step(Step::LOOK);
    }
    if (!hashed()) {
        return fail(UpdateError::MALFORMED_IMAGE);
    }
    const bool enough = purpose == Purpose::REFRESH && d.way == Way::FOUND;
    enough ? end(UpdateError::NONE) : step(Step::SIGNATURE);
}

// ---- of the running image ----

// Makes the image of the running one, if that can be.
void Installer::make() {
    Download& d = *download;
    if (purpose == Purpose::PROOF) {
        return end(UpdateError::BAD_SIGNATURE);
    }
    if (!d.relocatable) {
        return fetch(UpdateError::NONE);
    }
    if (purpose == Purpose::REFRESH) {
        begin(Way::RELOCATED, TIMEOUT);
        d.size = d.running.size();
        listener->onDownload(UpdateError::NONE);
        return step(Step::TRAILER);
    }
    begin(Way::PATCHED, DELTA_TIMEOUT);
    listener->onDownload(UpdateError::NONE);
    request();
}

// The hash of what the running image becomes, sector by sector.
void Installer::trailer() {
    Download& d = *download;
    const uint32_t left = d.size - Layout::TRAILER - d.hashed;
    const uint32_t length = left < Layout::SECTOR ? left : Layout::SECTOR;
    for (uint32_t i = 0; i < length; i += 4) {
        d.buffer[i / 4] = d.running.word(d.hashed + i);
    }
    d.add(d.buffer, length);
    if (d.hashed < d.size - Layout::TRAILER) {
        return step(Step::TRAILER);
    }
    d.hash.finish(d.trailer);
    startOver();
    d.place = Layout::SECTOR < d.size ? Layout::SECTOR : 0;
    step(Step::MAKE);
}

// The next sector: the second one first, and the first one last.
void Installer::relocate() {
    Download& d = *download;
    const uint32_t left = d.size - d.place;
    d.length = left < Layout::SECTOR ? left : Layout::SECTOR;
    for (uint32_t i = 0; i < d.length; i += 4) {
        const uint32_t from = d.place + i;
        if (from < d.size - Layout::TRAILER) {
            d.head[i / 4] = d.running.word(from);
        } else {
            memcpy(d.head + i / 4, d.trailer + (from - (d.size - Layout::TRAILER)), 4);
        }
    }
    made();
}

void Installer::patch() {
    Download& d = *download;
    const Delta::Result result = d.delta.proceed(d.ended);
    if (d.room() >= MIN_ROOM) {
        http->unhold();
    }
    switch (result) {
        case Delta::Result::HUNGRY:
            return;  // goes on when more has come
        case Delta::Result::SECTOR:
            d.size = d.delta.size();
            d.place = d.delta.place();
            d.length = d.delta.length();
            return made();
        case Delta::Result::MALFORMED:
            return fail(UpdateError::MALFORMED_DELTA);
        case Delta::Result::SOURCE:
            return fail(UpdateError::WRONG_SOURCE);
        case Delta::Result::TARGET:
            return fail(UpdateError::WRONG_SEQUENCE);
    }
}

// A sector is made. With the first one, which is the last, all is there.
void Installer::made() {
    Download& d = *download;
    if (d.place > 0) {
        const bool right = d.cleared && Flash::holds(address(d.place), d.head, d.length);
        return right ? stored() : step(Step::ERASE);
    }
    // What is still to come of the delta says nothing, and there is no room for it any more.
    http->cancel();
    resumeTimer.stop();
    Descriptor found;
    memcpy(&found, d.head + Layout::DESCRIPTOR / 4, sizeof(found));
    const UpdateError result = inspect(found);
    if (result != UpdateError::NONE) {
        return fail(result);
    }
    listener->onVerify();
    step(d.cleared ? Step::LOOK : Step::ERASE);
}

// ---- the download ----

void Installer::fetch(UpdateError reason) {
    begin(Way::DOWNLOADED, TIMEOUT);
    listener->onDownload(reason);
    request();
}

void Installer::begin(Way way, uint32_t seconds) {
    Download& d = *download;
    d.way = way;
    d.cleared = false;
    d.deadline = Clock::seconds() + seconds;
    d.resumes = 0;
    d.backoff = Backoff();
    resumeTimer.stop();
    startOver();
}

// Forgets what has come of the image.
void Installer::startOver() {
    Download& d = *download;
    d.received = d.written = d.place = d.readBack = d.hashed = 0;
    d.attempt = 0;
    d.checking = d.ended = false;
    d.verdict = Ed25519::INVALID;
    d.etag[0] = 0;
    d.whole = false;
    d.hash = Sha256();
    if (d.way == Way::PATCHED) {
        d.delta.begin(d.running, release->sequence, Layout::slot(standbySlot()), d.head);
    }
    next = d.way == Way::PATCHED ? Step::MAKE : Step::ERASE;
    stepTimer.stop();
    stepping = false;
}

// A plus in a URL may be read as a space.
static void addVersion(Text& text, const char* version) {
    for (const char* c = version; *c != 0; c++) {
        *c == '+' ? text.add("%2B") : text.add(*c);
    }
}

// Asks for the image or the delta, or for what is missing of it.
void Installer::request() {
    const Download& d = *download;
    char name[256];
    Text text(name, sizeof(name));
    text.add(configuration.device).add('.');
    if (d.way == Way::PATCHED) {
        addVersion(text, configuration.version);
        text.add(".delta");
    } else {
        text.add("rom");
    }
    text.number(standbySlot()).add("?version=");
    addVersion(text, release->version);
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
    // A server that has the whole image need not have a delta.
    const bool patched = d.way == Way::PATCHED;
    const bool again = result == UpdateError::UNREACHABLE || changed || (trouble && !patched);
    if (!again || d.resumes == MAX_RESUMES) {
        const bool missing = patched && refused && status == 404;
        return fail(missing ? UpdateError::NONE : result);
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
        return fail(UpdateError::UNREACHABLE);
    }
    // The flash may be behind.
    d.room() < MIN_ROOM ? resumeTimer.once(100) : request();
}

void Installer::onBegin(uint32_t from, uint32_t total) {
    Download& d = *download;
    if (from > 0) {
        // Another total is another file.
        if (from != d.received || total != d.coming) {
            startOver();
            http->cancel();
            interrupted(UpdateError::UNREACHABLE);
        }
    } else if (total > Layout::SLOT_SIZE) {
        fail(UpdateError::TOO_LARGE);
    } else if (d.way == Way::DOWNLOADED &&
               total < Layout::DESCRIPTOR + sizeof(Descriptor) + Layout::TRAILER) {
        fail(UpdateError::TRUNCATED);
    } else {
        startOver();
        d.size = d.coming = total;
        memcpy(d.etag, http->answer().etag(), sizeof(d.etag));
    }
}

void Installer::onEnd(UpdateError error) {
    download->ended = error == UpdateError::NONE;
    download->ended ? proceed() : interrupted(error);
}

void Installer::Download::add(const void* data, uint32_t length) {
    const uint8_t* bytes = static_cast<const uint8_t*>(data);
    const uint32_t body = size - Layout::TRAILER;
    while (length > 0) {
        uint32_t part = length;
        if (hashed < body && part > body - hashed) {
            part = body - hashed;
        }
        if (hashed == body) {
            Sha256 untilHere = hash;
            untilHere.finish(digest);
        }
        if (hashed >= body) {
            memcpy(trailer + (hashed - body), bytes, part);
        }
        hash.update(bytes, part);
        hashed += part;
        bytes += part;
        length -= part;
    }
}

// When all is there: whether the trailer is right.
bool Installer::hashed() {
    Download& d = *download;
    d.whole = memcmp(d.digest, d.trailer, Layout::TRAILER) == 0;
    d.hash.finish(d.digest);
    return d.whole;
}

void Installer::onBody(const uint8_t* data, size_t length) {
    Download& d = *download;
    came += static_cast<uint32_t>(length);
    if (length > d.room()) {
        return fail(UpdateError::UNREACHABLE);  // more came than the window allows
    }
    if (d.way == Way::PATCHED) {
        d.received += static_cast<uint32_t>(length);
        d.delta.input.add(data, static_cast<uint32_t>(length));
        length = 0;
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
        d.received += part;
        data += part;
        length -= part;

        constexpr uint32_t inspectable = Layout::DESCRIPTOR + sizeof(Descriptor);
        if (before < inspectable && d.received >= inspectable) {
            Descriptor found;
            memcpy(&found, d.buffer + Layout::DESCRIPTOR / 4, sizeof(found));
            const UpdateError result = inspect(found);
            if (result != UpdateError::NONE) {
                return fail(result);
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

// ---- step by step ----

// Goes on as soon as there is a sector to write, or the last of it; of a delta, with whatever there
// is.
void Installer::proceed() {
    const Download& d = *download;
    const bool enough =
        d.way == Way::PATCHED || d.received - d.written >= Layout::SECTOR || d.received == d.size;
    if (!stepping && enough) {
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
        case Step::TRAILER:
            return trailer();
        case Step::MAKE:
            return download->way == Way::PATCHED ? patch() : relocate();
        case Step::ERASE:
            return erase();
        case Step::WRITE:
            return write();
        case Step::LOOK:
            return look();
        case Step::SIGNATURE:
            return checkSignature();
        case Step::READ_BACK:
            return readBack();
        case Step::COMMIT:
            return commit();
    }
}

// The first sector before all others, so that the slot does not boot; each other one unless it
// holds what it is to hold.
void Installer::erase() {
    Download& d = *download;
    if (!d.cleared) {
        d.cleared = Flash::erase(address(0));
        return d.cleared ? step(Step::ERASE) : fail(UpdateError::FLASH);
    }
    if (d.way == Way::DOWNLOADED) {
        const uint32_t waiting = d.received - d.written;
        d.place = d.written;
        d.length = waiting < Layout::SECTOR ? waiting : Layout::SECTOR;
        if (d.place == 0) {
            memcpy(d.head, d.buffer, d.length);
            return stored();
        }
    } else if (d.place == 0) {
        return step(Step::LOOK);
    }
    if (Flash::holds(address(d.place), d.content(), d.length)) {
        return stored();
    }
    Flash::erase(address(d.place)) ? step(Step::WRITE) : fail(UpdateError::FLASH);
}

void Installer::write() {
    Download& d = *download;
    const bool done = Flash::write(address(d.place), d.content(), d.length);
    done ? stored() : fail(UpdateError::FLASH);
}

// A sector is where it belongs, or held back.
void Installer::stored() {
    Download& d = *download;
    if (d.way != Way::DOWNLOADED) {
        if (d.way == Way::PATCHED) {
            d.delta.next();
        }
        d.place += d.length;
        listener->onProgress(static_cast<uint8_t>(d.place * 100 / d.size));
        d.place = d.place < d.size ? d.place : 0;
        return step(Step::MAKE);
    }
    d.written += d.length;
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

void Installer::checkSignature() {
    Download& d = *download;
    if (!d.checking) {
        const uint8_t keys = configuration.keyCount;
        if (d.attempt == keys * release->signers[slot]) {
            return fail(UpdateError::BAD_SIGNATURE);
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
        return fail(UpdateError::MALFORMED_IMAGE);  // the bootloader would refuse it
    }
    if (d.way != Way::DOWNLOADED) {
        return step(Step::COMMIT);  // what was hashed is what is in flash
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
    if (d.way != Way::FOUND &&
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

// This way does not lead there: tries the next one.
void Installer::fail(UpdateError error) {
    switch (download->way) {
        case Way::FOUND:
            return make();
        case Way::RELOCATED:
        case Way::PATCHED:
            return fetch(error);
        case Way::DOWNLOADED:
            return end(error);
    }
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

}  // namespace esper
