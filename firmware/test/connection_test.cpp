// Connection over an SDK that reports what happens in every order that there is.

#include <esper/Connection.h>

#include <string>
#include <vector>

#include "check.h"
#include "chip.h"

using namespace esper;

namespace {

// The SDK's side of one espconn.
struct Sdk {
    enum Phase { NONE, CONNECTING, OPEN, CLOSING };  // CLOSING: its end is still to be reported

    Phase phase = NONE;
    espconn* connection = nullptr;
    uint64_t now = 0;
};

Sdk sdk;

}  // namespace

extern "C" {
int8_t espconn_connect(espconn* connection) {
    if (sdk.phase != Sdk::NONE) {
        return ESPCONN_ISCONN;
    }
    sdk.phase = Sdk::CONNECTING;
    sdk.connection = connection;
    return ESPCONN_OK;
}
int8_t espconn_abort(espconn*) {
    if (sdk.phase == Sdk::OPEN) {
        sdk.phase = Sdk::CLOSING;
        return ESPCONN_OK;
    }
    return sdk.phase == Sdk::CLOSING ? ESPCONN_INPROGRESS : ESPCONN_ARG;
}
int8_t espconn_gethostbyname(espconn*, const char*, ip_addr_t* address, dns_found_callback) {
    address->addr = 1;
    return ESPCONN_OK;
}
uint32_t espconn_port() {
    return 1025;
}
int8_t espconn_send(espconn*, uint8_t*, uint16_t) {
    return ESPCONN_OK;
}
int8_t espconn_regist_connectcb(espconn* c, espconn_connect_callback callback) {
    c->proto.tcp->connect_callback = callback;
    return ESPCONN_OK;
}
int8_t espconn_regist_reconcb(espconn* c, espconn_reconnect_callback callback) {
    c->proto.tcp->reconnect_callback = callback;
    return ESPCONN_OK;
}
int8_t espconn_regist_disconcb(espconn* c, espconn_connect_callback callback) {
    c->proto.tcp->disconnect_callback = callback;
    return ESPCONN_OK;
}
int8_t espconn_regist_recvcb(espconn*, espconn_recv_callback) {
    return ESPCONN_OK;
}
int8_t espconn_regist_sentcb(espconn*, espconn_sent_callback) {
    return ESPCONN_OK;
}
int8_t espconn_set_opt(espconn*, uint8_t) {
    return ESPCONN_OK;
}
int8_t espconn_recv_hold(espconn*) {
    return ESPCONN_OK;
}
int8_t espconn_recv_unhold(espconn*) {
    return ESPCONN_OK;
}
}

namespace {

// What a listener was told since it last opened a connection.
struct User : Connection::Listener {
    Connection connection{this};
    bool wants = false;  // it has opened one, and not closed it
    bool open = false, closed = false;

    void opens() {
        wants = true;
        open = closed = false;
        connection.open("server", 80);
    }
    void closes() {
        wants = false;
        connection.close();
    }
    void onOpen() override {
        CHECK(wants && !open && !closed);
        open = true;
    }
    void onData(const uint8_t*, size_t) override {}
    void onSent() override {}
    void onClosed() override {
        CHECK(wants && !closed);
        closed = true;
        wants = false;
    }
};

// The SDK reports the end of a connection, or that it failed.
void report(bool failed) {
    sdk.phase = Sdk::NONE;
    esp_tcp* tcp = sdk.connection->proto.tcp;
    if (failed) {
        tcp->reconnect_callback(sdk.connection, ESPCONN_RST);
    } else {
        tcp->disconnect_callback(sdk.connection);
    }
}

void connected() {
    sdk.phase = Sdk::OPEN;
    sdk.connection->proto.tcp->connect_callback(sdk.connection);
}

void fire() {
    uint32_t after;
    ETSTimer* const timer = chip::takeTimer(after);
    sdk.now += after;
    timer->timer_func(timer->timer_arg);
}

// What can happen next, in a letter each.
std::string possible(const User& user) {
    std::string all = user.wants ? "x" : "o";  // the user closes, or opens
    if (chip::armed()) {
        all += 't';
    }
    switch (sdk.phase) {
        case Sdk::CONNECTING:
            return all + "cr";  // connected; refused
        case Sdk::OPEN:
            return all + "er";  // the other side ends it; it resets
        case Sdk::CLOSING:
            return all + "d";  // its end is reported
        default:
            return all;
    }
}

void happen(User& user, char what) {
    switch (what) {
        case 'x':
            user.closes();
            break;
        case 'o':
            user.opens();
            break;
        case 't':
            fire();
            break;
        case 'c':
            connected();
            break;
        case 'r':
            report(true);
            break;
        case 'e':
            sdk.phase = Sdk::CLOSING;
            break;
        case 'd':
            report(false);
            break;
    }
}

// Lets all of that happen that happens by itself, and checks that a user who wants a connection has
// one, or was told that there is none.
void settle(User& user, const std::string& order) {
    const uint64_t began = sdk.now;
    for (int steps = 0; steps < 20; steps++) {
        if (sdk.phase == Sdk::CLOSING) {
            report(false);
        } else if (sdk.phase == Sdk::CONNECTING) {
            connected();
        } else if (chip::armed()) {
            fire();
        }
    }
    const bool told = user.closed || (user.open && sdk.phase == Sdk::OPEN);
    if ((user.wants && !told) || (!user.wants && sdk.phase != Sdk::NONE) ||
        sdk.now - began > 1000) {
        std::printf("connection: after %s the user %s, and is told %s in %d ms\n", order.c_str(),
                    user.wants ? "wants one" : "wants none", told ? "so" : "nothing",
                    static_cast<int>(sdk.now - began));
        CHECK(false);
    }
}

// Every order of so many things. A prefix that is one step shorter was settled before.
int everyOrder(const std::string& order, size_t steps) {
    sdk = {};
    User user;
    for (const char what : order) {
        happen(user, what);
    }
    const std::string next = possible(user);
    settle(user, order);
    int n = 1;
    for (size_t i = 0; order.size() < steps && i < next.size(); i++) {
        n += everyOrder(order + next[i], steps);
    }
    return n;
}

}  // namespace

TEST(noOrderOfCallbacksLosesTheEndOfAConnection) {
    CHECK(everyOrder("", 12) > 10000);
}
