#pragma once

// A firmware whose features crash or hang again and again starts without them, so that it
// can still be reached and updated (SPEC 10).
namespace SafeMode {

// Takes note of why the device starts. Once, before anything else.
void begin();

// Whether this start is one without features.
bool active();

// To be called after a while without a crash.
void healthy();

}  // namespace SafeMode
