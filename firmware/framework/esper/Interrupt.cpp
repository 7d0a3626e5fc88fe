#include "Interrupt.h"

namespace esper {

namespace {

constexpr uint32_t POLL = 10;  // ms

volatile uint32_t& reg(uint32_t address) {
    return *reinterpret_cast<volatile uint32_t*>(address);
}

}  // namespace

PinInterrupt* PinInterrupt::first = nullptr;

// Runs in interrupt context, also while the flash is written and cannot be read: so it lies in
// IRAM, as its section says, and neither calls anything nor uses constants that would be elsewhere.
// The level tells which edge it was, if the hardware reports both.
[[gnu::section(".iram.interrupt")]] void PinInterrupt::handle(void*) {
    const uint32_t status = *reinterpret_cast<volatile uint32_t*>(GPIO_STATUS);
    *reinterpret_cast<volatile uint32_t*>(GPIO_STATUS_W1TC) = status;
    const uint32_t levels = *reinterpret_cast<volatile uint32_t*>(GPIO_IN);
    const uint32_t now = *reinterpret_cast<volatile uint32_t*>(WDEV_CLOCK);
    for (PinInterrupt* pin = first; pin != nullptr; pin = pin->next) {
        if ((status & pin->bit) == 0) {
            continue;
        }
        const uint32_t since = now - pin->lastEdge;
        const bool high = (levels & pin->bit) != 0;
        pin->lastEdge = now;
        if (pin->quiet == 0 || (since >= pin->quiet &&
                                (pin->edge == Edge::BOTH || high == (pin->edge == Edge::RISING)))) {
            pin->edges = pin->edges + 1;
        }
    }
}

PinInterrupt::PinInterrupt(uint16_t pin, Edge edge, uint32_t quiet)
    : next(first),
      bit(1u << pin),
      quiet(quiet),
      edge(edge),
      lastEdge(reg(WDEV_CLOCK) - quiet),
      timer(bind<PinInterrupt, &PinInterrupt::poll>, this) {
    if (first == nullptr) {
        ets_isr_attach(ETS_GPIO_INUM, handle, nullptr);
        ets_isr_unmask(1u << ETS_GPIO_INUM);
    }
    first = this;
    // To tell bouncing from edges, all of them must be seen.
    const Edge seen = quiet > 0 ? Edge::BOTH : edge;
    volatile uint32_t& config = reg(GPIO_PIN0 + 4 * pin);
    config = (config & ~GPIO_PIN_INT_TYPE) | static_cast<uint32_t>(seen) << GPIO_PIN_INT_TYPE_SHIFT;
}

void PinInterrupt::onEdges(void (*wanted)(void* object, uint32_t edges), void* of) {
    function = wanted;
    object = of;
    reported = edges;
    timer.repeat(POLL);
}

void PinInterrupt::poll() {
    const uint32_t now = edges;
    const uint32_t fresh = now - reported;
    reported = now;
    if (fresh > 0) {
        function(object, fresh);
    }
}

}  // namespace esper
