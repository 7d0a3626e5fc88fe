#include "Trial.h"

#include "../BootRecord.h"
#include "../Configuration.h"
#include "../Device.h"
#include "../Flash.h"
#include "../Log.h"
#include "../RunRecord.h"
#include "../Settings.h"

namespace esper {

static constexpr uint32_t ASK_AGAIN = 500;  // ms
static constexpr uint32_t BUSY = 10000;     // ms, until settings can be tried

static bool isTrial() {
    const BootRecord record = BootRecord::read();
    return (record.lastMode & BootRecord::TRIAL) && record.lastRom == ownSlot() &&
           !Flash::runsAsDefault();
}

Trial::Trial(Device* device)
    : Service(device),
      what(isTrial() ? What::FIRMWARE : What::NOTHING),
      healthy(bind<Trial, &Trial::onHealthy>, this),
      timeout(bind<Trial, &Trial::onTimeout>, this) {
    Settings::begin(running());
    if (running()) {
        timeout.once(configuration.trialTimeout * 1000);
    }
}

void Trial::start() {
    Settings::candidate() == Settings::Candidate::PENDING ? trySettings() : watch();
}

// Settings that were rejected are tried again if those that are used do not work any more.
void Trial::watch() {
    if (!undecided() && Settings::candidate() != Settings::Candidate::NONE) {
        timeout.once(configuration.trialTimeout * 1000);
    }
}

void Trial::trySettings() {
    if (undecided()) {
        return;
    }
    if (device->busy()) {
        timeout.once(BUSY);
        return;
    }
    if (Settings::tryCandidate()) {
        ESPER_INFO("trial", "of settings");
        what = What::SETTINGS;
        reachedNetwork = reachedBroker = false;
        timeout.once(configuration.trialTimeout * 1000);
        device->reconnect();
    }
    device->settingsChanged();
    watch();
}

void Trial::onBrokerUp() {
    reachedBroker = true;
    if (undecided()) {
        healthy.once(configuration.confirmAfter * 1000);
    } else if (Settings::candidate() == Settings::Candidate::REJECTED) {
        timeout.stop();
    }
}

// Also when there is no network any more.
void Trial::onBrokerDown() {
    healthy.stop();
    watch();
}

void Trial::onHealthy() {
    if (!device->proven()) {
        healthy.once(ASK_AGAIN);
        return;
    }
    if (!(running() ? firmwareConfirmed() : Settings::confirm())) {
        healthy.once(configuration.confirmAfter * 1000);  // until the trial's time is over
        return;
    }
    const bool firmware = running();
    timeout.stop();
    what = What::NOTHING;
    ESPER_INFO("trial", "confirmed");
    if (firmware) {
        Settings::move();
        device->confirmed();
        start();
    } else {
        device->settingsChanged();
    }
}

// False: the flash reported an error.
bool Trial::firmwareConfirmed() {
    const uint8_t own = static_cast<uint8_t>(ownSlot());
    if (!Flash::setBootSlot(own)) {
        return false;
    }
    BootRecord{0, 0, own, 0}.write();
    RunRecord run = RunRecord::read();
    run.trial = 0;
    run.write();
    return true;
}

void Trial::onTimeout() {
    if (!undecided()) {
        return trySettings();
    }
    ESPER_WARNING("trial", "not confirmed in time");
    if (running()) {
        return device->restart();
    }
    healthy.stop();
    what = What::NOTHING;
    UpdateError why = UpdateError::NO_UPDATE_SERVER;
    if (!reachedBroker) {
        why = reachedNetwork ? UpdateError::NO_BROKER : UpdateError::NO_WIFI;
    }
    Settings::reject(why);
    device->reconnect();
    device->settingsChanged();
    watch();
}

}  // namespace esper
