#include "Trial.h"

#include "../BootRecord.h"
#include "../Configuration.h"
#include "../Device.h"
#include "../Flash.h"
#include "../Log.h"
#include "../RunRecord.h"

static constexpr uint32_t ASK_AGAIN = 500;  // ms

static bool isTrial() {
    const BootRecord record = BootRecord::read();
    return (record.lastMode & BootRecord::TRIAL) && record.lastRom == ownSlot() &&
           !Flash::runsAsDefault();
}

Trial::Trial(Device* device)
    : Service(device),
      onTrial(isTrial()),
      healthy(bind<Trial, &Trial::onHealthy>, this),
      timeout(bind<Trial, &Trial::onTimeout>, this) {
    if (onTrial) {
        timeout.once(configuration.trialTimeout * 1000);
    }
}

void Trial::onBrokerUp() {
    if (onTrial) {
        healthy.once(configuration.confirmAfter * 1000);
    }
}

// Also when there is no network any more.
void Trial::onBrokerDown() {
    healthy.stop();
}

void Trial::onHealthy() {
    if (!device->proven()) {
        healthy.once(ASK_AGAIN);
        return;
    }
    const uint8_t own = static_cast<uint8_t>(ownSlot());
    if (!Flash::setBootSlot(own)) {
        healthy.once(configuration.confirmAfter * 1000);  // until the trial's time is over
        return;
    }
    BootRecord{0, 0, own, 0}.write();
    RunRecord run = RunRecord::read();
    run.trial = 0;
    run.write();
    timeout.stop();
    onTrial = false;
    ESPER_LOG("trial", "confirmed");
    device->confirmed();
}

void Trial::onTimeout() {
    ESPER_LOG("trial", "not confirmed in time");
    device->restart();
}
