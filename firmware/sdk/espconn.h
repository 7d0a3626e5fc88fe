// TCP connections and name look-up.
#pragma once

#include <stdint.h>

#include "user_interface.h"

extern "C" {

enum : int8_t {
    ESPCONN_OK = 0,
    ESPCONN_MEM = -1,
    ESPCONN_TIMEOUT = -3,
    ESPCONN_RTE = -4,
    ESPCONN_INPROGRESS = -5,
    ESPCONN_MAXNUM = -7,
    ESPCONN_ABRT = -8,
    ESPCONN_RST = -9,
    ESPCONN_CLSD = -10,
    ESPCONN_CONN = -11,
    ESPCONN_ARG = -12,
    ESPCONN_ISCONN = -15,
};

enum espconn_type : uint32_t { ESPCONN_TCP = 0x10 };
enum espconn_state : uint32_t { ESPCONN_NONE = 0 };
enum : uint8_t { ESPCONN_NODELAY = 0x02 };

typedef void (*espconn_connect_callback)(void* espconn);
typedef void (*espconn_reconnect_callback)(void* espconn, int8_t error);
typedef void (*espconn_recv_callback)(void* espconn, char* data, unsigned short length);
typedef void (*espconn_sent_callback)(void* espconn);

struct esp_tcp {
    int remote_port;
    int local_port;
    uint8_t local_ip[4];
    uint8_t remote_ip[4];
    espconn_connect_callback connect_callback;
    espconn_reconnect_callback reconnect_callback;
    espconn_connect_callback disconnect_callback;
    espconn_connect_callback write_finish_fn;
};

struct espconn {
    espconn_type type;
    espconn_state state;
    union {
        esp_tcp* tcp;
    } proto;
    espconn_recv_callback recv_callback;
    espconn_sent_callback sent_callback;
    uint8_t link_cnt;
    void* reverse;  // for the caller
};
static_assert(sizeof(void*) != 4 || sizeof(espconn) == 28, "as the SDK's");
static_assert(sizeof(void*) != 4 || sizeof(esp_tcp) == 32, "as the SDK's");

uint32_t espconn_port();  // a local port that is free

int8_t espconn_connect(espconn* connection);

// Resets the connection; the disconnect or reconnect callback follows. Not to be called from
// a callback of the same connection.
int8_t espconn_abort(espconn* connection);

// The data must stay until the sent callback, and one call is under way at a time.
int8_t espconn_send(espconn* connection, uint8_t* data, uint16_t length);

int8_t espconn_regist_connectcb(espconn* connection, espconn_connect_callback callback);
// Called instead of the disconnect callback when the connection failed or broke.
int8_t espconn_regist_reconcb(espconn* connection, espconn_reconnect_callback callback);
int8_t espconn_regist_disconcb(espconn* connection, espconn_connect_callback callback);
int8_t espconn_regist_recvcb(espconn* connection, espconn_recv_callback callback);
int8_t espconn_regist_sentcb(espconn* connection, espconn_sent_callback callback);
int8_t espconn_set_opt(espconn* connection, uint8_t options);

// Keep the TCP window from opening again. What the window allowed before, up to 5840 bytes,
// is still delivered after the call.
int8_t espconn_recv_hold(espconn* connection);
int8_t espconn_recv_unhold(espconn* connection);

// ESPCONN_OK: the address is in *address. ESPCONN_INPROGRESS: found is called, with a null
// address when there is none.
typedef void (*dns_found_callback)(const char* name, ip_addr_t* address, void* espconn);
int8_t espconn_gethostbyname(espconn* connection, const char* name, ip_addr_t* address,
                             dns_found_callback found);
}
