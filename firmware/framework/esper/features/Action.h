#pragma once

#include "../Timer.h"

namespace esper {

// What is done when something happens: a function, and the object that it is given.
struct Action {
    void (*function)(void* object) = nullptr;  // nullptr: nothing
    void* object = nullptr;

    void operator()() const {
        if (function != nullptr) {
            function(object);
        }
    }
};

// Toggles an OnOffFeature, or whatever else has a toggle().
template <typename OnOff>
Action toggles(OnOff& feature) {
    return {bind<OnOff, &OnOff::toggle>, &feature};
}

// Does what a Trigger, a Pulse or another Command does.
template <typename Pressed>
Action presses(Pressed& feature) {
    return {bind<Pressed, &Pressed::press>, &feature};
}

}  // namespace esper
