#pragma once

#include <stdint.h>

#include "Gpio.h"
#include "Timer.h"

namespace esper {

enum class Edge : uint8_t { RISING = 1, FALLING = 2, BOTH = 3 };

// What interrupts of all pins have in common (Interrupt, below).
class PinInterrupt {
  public:
    PinInterrupt(const PinInterrupt&) = delete;
    PinInterrupt& operator=(const PinInterrupt&) = delete;

    // Edges that were counted since the start; wraps after 4294967295.
    uint32_t count() const { return edges; }

    // Has a function called, in the context of all device code, when there are new edges: within
    // 10 ms, with their number. A second function takes the place of the first.
    void onEdges(void (*function)(void* object, uint32_t edges), void* object = nullptr);

  protected:
    PinInterrupt(uint16_t pin, Edge edge, uint32_t quiet);

  private:
    static void handle(void*);
    void poll();

    static PinInterrupt* first;

    PinInterrupt* next;
    const uint32_t bit;
    const uint32_t quiet;  // us
    const Edge edge;
    uint32_t lastEdge;  // us
    volatile uint32_t edges = 0;
    uint32_t reported = 0;
    void (*function)(void* object, uint32_t edges) = nullptr;
    void* object = nullptr;
    Timer timer;
};

// Counts edges at a pin, GPIO 0 to 5 and 9 to 15, by interrupt: also while the device is at
// something else, and while it writes its flash. It makes the pin an input. As a static object, or
// a member of one:
//
//     static Interrupt<14> flow(Edge::FALLING, 1000);
//
// Quiet: microseconds for which the level must not have changed before an edge that counts, up to
// 1,000,000. It keeps out the bouncing of contacts: 5,000 for a reed contact, 20,000 for a button.
// 0: each edge counts, up to about 50,000 a second, which leaves no time for anything else. Edges
// closer than 10 us may count as one. Costs 56 bytes, and about 3 us of the processor for each
// edge.
template <uint16_t number, Pull pull = Pull::UP>
class Interrupt : public PinInterrupt {
    static_assert(PinNumber<number>::VALUE != 16, "GPIO16 has no interrupt");

  public:
    explicit Interrupt(Edge edge, uint32_t quiet = 0) : PinInterrupt(number, edge, quiet) {
        Gpio<number>::template input<pull>();
    }
};

}  // namespace esper
