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
#include "../Reset.h"
#include "../RunRecord.h"
#include "../Text.h"
#include "SettingsUpdate.h"

namespace esper {

static constexpr uint32_t START_JITTER = 2000;     // ms
static constexpr uint32_t LONGEST_TIMER = 3600;    // seconds
static constexpr uint32_t TRIGGER_PAUSE = 5;       // seconds from check to check
static constexpr uint32_t CHECK_TIMEOUT = 30;      // seconds
static constexpr uint32_t PROOF_PAUSE = 10;        // seconds from check to check, on trial
static constexpr uint32_t REPORT_INTERVAL = 1000;  // ms

Update::Update(Device* device)
    : Service(device),
      installer(&http, this),
      schedule(bind<Update, &Update::onSchedule>, this),
      jitter(bind<Update, &Update::onJittered>, this),
      toAll(device, Subscription::Scope::ALL, "update", "",
            esper::receive<Update, &Update::onTrigger>, this),
      toOne(device, Subscription::Scope::ONE, "update", "",
            esper::receive<Update, &Update::onOwnTrigger>, this) {
    device->checkWith(this);
    if (device->onTrial()) {
        state = State::TRIAL;
    } else {
        rollBack();
    }
}

// ---- when to check ----

void Update::onNetworkUp() {
    if (device->looksAtStart()) {
        checkSoon(os_random() % START_JITTER);
    }
}

void Update::onBrokerUp() {
    // A trigger may have been missed meanwhile.
    if (wasConnected) {
        checkSoon(os_random() % START_JITTER);
    }
    wasConnected = true;
}

void Update::onConfirmed() {
    triggered = false;
    settled = false;
    progress = configuration.refresh ? 0 : 100;
    become(State::CONFIRMED, UpdateError::NONE);
    checkSoon(os_random() % START_JITTER);
}

// By its own release, which it gets and verifies like the next one.
bool Update::proven() {
    const bool due = checkedAt == 0 || Clock::seconds() - checkedAt >= PROOF_PAUSE;
    if (!couldUpdate && !checking && due) {
        ask();
    }
    return couldUpdate;
}

// All devices get this at once; the update server should not get all their requests at once. A
// trigger that comes during the wait is followed with the first.
void Update::onTrigger(const char*, size_t) {
    if (configuration.triggerJitter == 0) {
        trigger();
    } else if (!jittering) {
        jittering = true;
        jitter.once(os_random() % (configuration.triggerJitter * 1000) + 1);
    }
}

void Update::onJittered() {
    jittering = false;
    trigger();
}

void Update::onOwnTrigger(const char*, size_t) {
    asked = true;
    trigger();
}

// Whoever can publish must not be able to let devices hammer the server.
void Update::trigger() {
    if (checking) {
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
    if (checking || device->trying()) {
        triggered = true;
    } else {
        ask();
    }
}

void Update::ask() {
    checking = true;
    settingsLeft = settings != nullptr && !device->trying();
    checkedAt = Clock::seconds();
    schedule.stop();
    fileLength = 0;
    purpose = Installer::Purpose::UPDATE;
    file = static_cast<char*>(pvPortMalloc(Release::MAX_FILE, "", 0, false));
    if (file == nullptr) {
        return fail(UpdateError::NO_MEMORY);
    }
    // The check that follows a confirmation is for the refresh.
    if (!device->trying() && (state != State::CONFIRMED || settled)) {
        aboutRelease = false;
        progress = 0;
        become(State::CHECKING, UpdateError::NONE);
    }

    char name[40];
    Text(name, sizeof(name)).add(configuration.device).add(".version");
    http.get(this, name, device->id(), CHECK_TIMEOUT);
}

// ---- the version file ----

void Update::onBegin(uint32_t, uint32_t total) {
    if (total > Release::MAX_FILE) {
        fail(UpdateError::MALFORMED_VERSION_FILE);
    }
}

void Update::onBody(const uint8_t* data, size_t length) {
    memcpy(file + fileLength, data, length);  // onBegin saw to it that it fits
    fileLength += length;
}

void Update::onEnd(UpdateError result) {
    result == UpdateError::NONE ? decide() : fail(result);
}

// ---- what becomes of it ----

// What became of the trial before this start, if there was one: its release is not tried
// again, and must not be what boots if the boot configuration is ever lost.
void Update::rollBack() {
    // A foreign bootloader, such as rBoot, does not tell of a trial that is over; the run record
    // does, once. Of ESPer's own it would also tell of one that never began.
    const BootRecord record = BootRecord::read();
    RunRecord run = RunRecord::read();
    const bool over =
        ((record.lastMode & BootRecord::ROLLED_BACK) && record.tempRom == standbySlot()) ||
        (run.trial == standbySlot() + 1 && Flash::bootVersion() == 0);
    run.trial = 0;
    run.write();

    Descriptor tried;
    if (!Flash::descriptor(standbySlot(), tried)) {
        return;
    }
    const uint32_t reset = system_get_rst_info()->reason;
    // RTC memory may outlive a short power cut, which says nothing against the release.
    const bool rolledBack = over && reset != REASON_DEFAULT_RST;
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
            Flash::erase(Layout::slot(standbySlot()));
            Flash::setBootSlot(static_cast<uint8_t>(ownSlot()));
            Refusals::add(tried.version, tried.sequence, error);
        }
    }
    // Also when the power was cut in here.
    if ((rolledBack || Refusals::find(tried.version, tried.sequence) != UpdateError::NONE) &&
        !Flash::erase(Layout::slot(standbySlot()))) {
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
    return !Flash::descriptor(standbySlot(), holds) || holds.sequence != wanted.sequence ||
           strcmp(holds.version, wanted.version) != 0 || Flash::erase(Layout::slot(standbySlot()));
}

void Update::decide() {
    const bool valid = wanted.parse(file, fileLength);
    freeFile();
    if (!valid) {
        return fail(UpdateError::MALFORMED_VERSION_FILE);
    }
    if (device->onTrial()) {
        // Of another release, that it can be read must do.
        const bool own = strcmp(wanted.version, configuration.version) == 0;
        return own ? install(Installer::Purpose::PROOF) : shown();
    }
    if (device->trying()) {
        return shown();  // settings, by which a version file could be read
    }
    bool isNew = false;
    const UpdateError result = wanted.decide(configuration.version, configuration.sequence, &isNew);
    aboutRelease = isNew || result != UpdateError::NONE;
    if (result != UpdateError::NONE) {
        return fail(result);
    }
    if (!isNew) {
        const bool refresh = configuration.refresh && wanted.sequence == configuration.sequence;
        return refresh ? install(Installer::Purpose::REFRESH) : upToDate();
    }
    if (Reset::bootModeLatched()) {
        return fail(UpdateError::BOOT_MODE_LATCHED);
    }
    const UpdateError refusal = Refusals::find(wanted.version, wanted.sequence);
    if (refusal != UpdateError::NONE) {
        if (!asked) {
            return cleared() ? finish(State::ROLLED_BACK, refusal) : fail(UpdateError::FLASH);
        }
        Refusals::strike(wanted.version, wanted.sequence);
    }
    install(Installer::Purpose::UPDATE);
}

void Update::install(Installer::Purpose what) {
    purpose = what;
    installer.install(wanted, device->id(), purpose);
}

void Update::onDownload(UpdateError reason) {
    progress = 0;
    const bool refresh = purpose == Installer::Purpose::REFRESH;
    become(refresh ? State::CONFIRMED : State::DOWNLOADING, reason);
}

void Update::onProgress(uint8_t percent) {
    if (percent >= progress + 5 && Clock::milliseconds() - reportedAt >= REPORT_INTERVAL) {
        progress = percent;
        report();
    }
}

void Update::onVerify() {
    if (purpose == Installer::Purpose::UPDATE) {
        become(State::VERIFYING, UpdateError::NONE);
    }
}

// Busy until the restart: what is to be tried must stay as it is.
void Update::onInstalled(UpdateError result) {
    if (result != UpdateError::NONE) {
        return fail(result);
    }
    switch (purpose) {
        case Installer::Purpose::UPDATE:
            return device->restart();
        case Installer::Purpose::REFRESH:
            return upToDate();
        case Installer::Purpose::PROOF:
            return shown();
    }
}

// On trial: nothing is in the way of the next update.
void Update::shown() {
    couldUpdate = true;
    if (device->onTrial()) {
        error = UpdateError::NONE;
    }
    finish(device->onTrial() ? State::TRIAL : state, error);
}

// There is nothing to do, or no more.
void Update::upToDate() {
    const bool confirmed = state == State::CONFIRMED;
    if (confirmed) {
        progress = 100;
        device->reportInfo();
    }
    finish(confirmed ? State::CONFIRMED : State::IDLE, UpdateError::NONE);
}

void Update::fail(UpdateError reason) {
    // The firmware that runs is none the worse if only its copy could not be had.
    const bool refresh = purpose == Installer::Purpose::REFRESH;
    const State without = refresh ? State::CONFIRMED : State::FAILED;
    if (device->trying()) {
        // Of a trial of settings, this says nothing.
        return device->onTrial() ? finish(State::TRIAL, reason) : finish(state, error);
    }
    finish(without, reason);
}

void Update::finish(State result, UpdateError reason) {
    http.cancel();
    freeFile();
    settled = true;
    become(result, reason);
    if (settingsLeft && reason != UpdateError::UNREACHABLE) {
        settingsLeft = false;
        return settings->check(&http, asked);
    }
    proceed();
}

void Update::proceed() {
    checking = false;
    asked = asked && triggered;
    if (triggered) {
        triggered = false;
        trigger();
    } else if (!device->trying()) {
        scheduleNext();
    }
}

// What the settings before led to says nothing of these.
void Update::onSettings() {
    couldUpdate = false;
    checkedAt = 0;
    if (checking && file != nullptr) {
        http.cancel();
        freeFile();
        checking = false;
    }
    if (!device->trying() && device->connected()) {
        checkSoon(os_random() % START_JITTER);
    }
}

void Update::freeFile() {
    if (file != nullptr) {
        vPortFree(file, "", 0);
        file = nullptr;
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

void Update::become(State newState, UpdateError newError) {
    state = newState;
    error = newError;
    httpStatus = error == UpdateError::HTTP_STATUS ? http.answer().status() : 0;
    ESPER_INFO("update", "%s %s %s", nameOf(state), aboutVersion(), esper::nameOf(error));
    report();
}

void Update::report() {
    if (state == State::VERIFYING || state == State::TRIAL) {
        progress = 100;
    }
    char buffer[160];
    Json json(buffer, sizeof(buffer));
    json.object();
    json.string("state", nameOf(state));
    json.string("version", aboutVersion());
    json.number("progress", uint32_t{progress});
    json.string("error", esper::nameOf(error));
    if (httpStatus != 0) {
        json.number("http_status", uint32_t{httpStatus});
    }
    if (state == State::DOWNLOADING || state == State::VERIFYING) {
        json.number("received", installer.received());
    }
    json.endObject();
    publish("update/status", json.text(), json.length());
    reportedAt = Clock::milliseconds();
}

}  // namespace esper
