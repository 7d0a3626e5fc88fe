// The time, from time servers (SNTP).
#pragma once

#include <stdint.h>

extern "C" {

// The SDK keeps the pointer to the name of a server, of which it has three, 0 to 2. It asks them in
// turn, once an hour, and 3 to 30 s after a question that nobody has answered.
void sntp_setservername(unsigned char index, char* name);
// Hours east of Greenwich that are added to what a server says from now on; 8 without this.
bool sntp_set_timezone(int8_t hours);
void sntp_init();
// Forgets the time.
void sntp_stop();
// Seconds since 1970 in that time zone; 0 while it is not known, of which it prints a line.
uint32_t sntp_get_current_timestamp();
}
