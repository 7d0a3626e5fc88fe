#pragma once

// A firmware whose features crash or hang again and again starts without them, so that it
// can still be reached and updated (SPEC 10).
namespace esper::SafeMode {

// Counts the start if a crash led to it. Once, after Reset::begin().
void begin();

// Whether this start is one without features.
bool active();

// To be called after a while without a crash.
void healthy();

}  // namespace esper::SafeMode
