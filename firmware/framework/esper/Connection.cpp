#include "Connection.h"

#include <string.h>

namespace esper {

// How long to wait for the SDK to report the end of a connection that was given up: it
// cannot abort one that is still being opened, and does not report every failure.
static constexpr uint32_t CLOSE_TIMEOUT = 30000;

// How long to wait before a connection is aborted that the SDK has and this does not.
static constexpr uint32_t STRAY_TIMEOUT = 100;

Connection::Connection(Listener* listener)
    : listener(listener), timer(bind<Connection, &Connection::onTimer>, this) {}

Connection* Connection::of(void* pointer) {
    return static_cast<Connection*>(static_cast<espconn*>(pointer)->reverse);
}

void Connection::open(const char* toHost, uint16_t toPort) {
    host = toHost;
    port = toPort;
    if (state == State::CLOSING) {
        reopen = true;
    } else {
        begin();
    }
}

void Connection::begin() {
    state = State::RESOLVING;
    connection.reverse = this;
    const auto found = [](const char*, ip_addr_t* result, void* pointer) {
        Connection* self = of(pointer);
        // An answer that comes when it is no longer wanted.
        if (self->state != State::RESOLVING) {
            return;
        }
        if (result == nullptr) {
            self->fail();
        } else {
            self->address = *result;
            self->connect();
        }
    };
    const int8_t result = espconn_gethostbyname(&connection, host, &address, found);
    if (result == ESPCONN_OK) {
        connect();
    } else if (result != ESPCONN_INPROGRESS) {
        fail();
    }
}

void Connection::connect() {
    state = State::CONNECTING;
    established = false;
    aborted = false;

    tcp = {};
    tcp.remote_port = port;
    tcp.local_port = static_cast<int>(espconn_port());
    memcpy(tcp.remote_ip, &address.addr, sizeof(tcp.remote_ip));

    connection = {};
    connection.type = ESPCONN_TCP;
    connection.state = ESPCONN_NONE;
    connection.proto.tcp = &tcp;
    connection.reverse = this;

    espconn_regist_connectcb(&connection, [](void* pointer) {
        Connection* self = of(pointer);
        self->established = true;
        if (self->state == State::CONNECTING) {
            self->state = State::OPEN;
            espconn_set_opt(&self->connection, ESPCONN_NODELAY);
            self->listener->onOpen();
        } else if (self->state == State::CLOSING) {
            self->timer.once(1);  // closed while it was being opened
        } else {
            self->abandon(1);  // it was taken to have ended
        }
    });
    espconn_regist_recvcb(&connection, [](void* pointer, char* data, unsigned short length) {
        Connection* self = of(pointer);
        if (self->state == State::OPEN) {
            self->listener->onData(reinterpret_cast<uint8_t*>(data), length);
        }
    });
    espconn_regist_sentcb(&connection, [](void* pointer) {
        Connection* self = of(pointer);
        if (self->state == State::OPEN) {
            self->listener->onSent();
        }
    });
    espconn_regist_disconcb(&connection, [](void* pointer) { of(pointer)->ended(); });
    espconn_regist_reconcb(&connection, [](void* pointer, int8_t) { of(pointer)->ended(); });

    const int8_t result = espconn_connect(&connection);
    if (result == ESPCONN_ISCONN) {
        abandon(STRAY_TIMEOUT);
    } else if (result != ESPCONN_OK) {
        fail();
    }
}

// Ends a connection that the SDK still has, and then opens the one that is wanted, if any.
void Connection::abandon(uint32_t after) {
    reopen = state != State::IDLE;
    established = true;
    aborted = false;
    state = State::CLOSING;
    timer.once(after);
}

bool Connection::send(const uint8_t* data, size_t length) {
    return state == State::OPEN && espconn_send(&connection, const_cast<uint8_t*>(data),
                                                static_cast<uint16_t>(length)) == ESPCONN_OK;
}

// Reported later, so that open never calls back.
void Connection::fail() {
    state = State::FAILING;
    timer.once(1);
}

void Connection::close() {
    reopen = false;
    if (state == State::CONNECTING || state == State::OPEN) {
        state = State::CLOSING;
        timer.once(1);  // the SDK forbids to abort in a callback of the connection
    } else if (state != State::CLOSING) {
        state = State::IDLE;
        timer.stop();
    }
}

void Connection::onTimer() {
    if (state == State::FAILING) {
        state = State::IDLE;
        listener->onClosed();
    } else if (state == State::CLOSING) {
        if (aborted) {  // and its end was not reported
            ended();
            return;
        }
        const int8_t result = espconn_abort(&connection);
        // It is refused while the SDK ends the connection by itself, since the other side did. That
        // end is reported, too, and until then no other one can be opened.
        aborted = result == ESPCONN_OK || (established && result == ESPCONN_INPROGRESS);
        if (aborted || !established) {
            timer.once(CLOSE_TIMEOUT);
        } else {
            ended();
        }
    }
}

void Connection::ended() {
    const State before = state;
    if (before != State::CLOSING && before != State::CONNECTING && before != State::OPEN) {
        return;  // the end of one that was given up for lost before
    }
    timer.stop();
    state = State::IDLE;
    if (before == State::CLOSING) {
        if (reopen) {
            reopen = false;
            begin();
        }
    } else if (before == State::CONNECTING || before == State::OPEN) {
        listener->onClosed();
    }
}

void Connection::hold() {
    if (state == State::OPEN) {
        espconn_recv_hold(&connection);
    }
}

void Connection::unhold() {
    if (state == State::OPEN) {
        espconn_recv_unhold(&connection);
    }
}

}  // namespace esper
