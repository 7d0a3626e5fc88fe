#include "Mqtt.h"

#include <osapi.h>

#include "Log.h"
#include "Settings.h"

namespace esper {

static constexpr uint32_t CONNECT_TIMEOUT = 15000;  // from the name's look-up to CONNACK
static constexpr uint16_t KEEP_ALIVE = 30;          // seconds
static constexpr uint32_t TICK = 10000;             // pings go out with every second tick

Mqtt::Mqtt(Listener* listener)
    : listener(listener), connection(this), timer(bind<Mqtt, &Mqtt::onTimer>, this) {}

void Mqtt::identify(const char* id, const char* topic, const char* message) {
    clientId = id;
    willTopic = topic;
    willMessage = message;
}

void Mqtt::start() {
    if (state == State::STOPPED) {
        shared = false;
        backoff.reset();
        state = State::WAITING;
        timer.once(1 + os_random() % 100);
    }
}

void Mqtt::stop() {
    const bool wasConnected = connected();
    state = State::STOPPED;
    timer.stop();
    connection.close();
    if (wasConnected) {
        listener->onBrokerDown();
    }
}

void Mqtt::fail(const char* reason) {
    const bool wasConnected = connected();
    state = State::WAITING;
    connection.close();
    const uint32_t wait = backoff.next(os_random());
    timer.once(wait);
    ESPER_WARNING("mqtt", "%s, again in %u ms", reason, static_cast<unsigned>(wait));
    if (wasConnected) {
        listener->onBrokerDown();
    }
}

void Mqtt::onTimer() {
    if (state == State::WAITING) {
        state = State::CONNECTING;
        timer.once(CONNECT_TIMEOUT);
        connection.open(Settings::text("mqtt"), Settings::port("mqtt"));
    } else if (state == State::CONNECTING) {
        fail("no answer");
    } else if (waitingForPong) {
        fail("silent");
    } else if (state == State::CONNECTED) {
        // Not before: a broker that accepts and hangs up must not be asked again at once.
        backoff.reset();
        if (++ticks % 2 == 0) {
            waitingForPong = written(writer().ping());
        }
    }
}

void Mqtt::onOpen() {
    parser.reset();
    queued = sending = 0;
    packetId = answered = 0;
    ticks = 0;
    waitingForPong = false;
    login();
}

// With its own password if it has one. If the broker refuses that, with the one that all devices
// share, and so on by turns: either of them may be the one that the broker does not know yet.
void Mqtt::login() {
    const char* user = Settings::text("mqtt", 2);
    const char* password = Settings::text("mqtt", 3);
    const char* const own = Settings::text("device.password");
    if (own[0] != 0 && !(shared && user[0] != 0)) {
        user = clientId;
        password = own;
    }
    written(writer().connect({clientId, KEEP_ALIVE, willTopic, willMessage, user, password}));
}

void Mqtt::onClosed() {
    fail("closed");
}

void Mqtt::onData(const uint8_t* data, size_t length) {
    // A packet may end the connection, and with it what this loop reads for.
    while (length > 0 && (state == State::CONNECTING || state == State::CONNECTED)) {
        const size_t taken = parser.feed(data, length);
        data += taken;
        length -= taken;
        if (parser.malformed()) {
            fail("malformed");
        } else if (parser.complete()) {
            onPacket(parser.packet());
        }
    }
}

void Mqtt::onPacket(const MqttPacket& packet) {
    if (state == State::CONNECTING) {
        // The first packet is a CONNACK (MQTT 3.1.1, 3.2); code 0 is success.
        if (packet.type() != MqttType::CONNACK || packet.length != 2 || packet.body[1] != 0) {
            shared = !shared;
            return fail("refused");
        }
        state = State::CONNECTED;
        timer.repeat(TICK);
        ESPER_INFO("mqtt", "connected");
        listener->onBrokerUp();
    } else if (packet.type() == MqttType::PUBLISH) {
        MqttMessage message;
        if (message.parse(packet)) {
            ESPER_DEBUG("mqtt", "received %u bytes", static_cast<unsigned>(packet.length));
            listener->onMessage(message);
        }
    } else if (packet.type() == MqttType::PINGRESP) {
        waitingForPong = false;
    } else if (packet.type() == MqttType::SUBACK && packet.length == 3) {
        answered = static_cast<uint16_t>(packet.body[0] << 8 | packet.body[1]);
        if (packet.body[2] > 2) {
            ESPER_WARNING("mqtt", "a subscription is refused");
        }
    }
}

bool Mqtt::subscribe(const char* topic) {
    if (++packetId == 0) {
        packetId = 1;  // 0 is not allowed (MQTT 3.1.1, 2.3.1)
    }
    return connected() && accepted(writer().subscribe(packetId, topic), topic);
}

bool Mqtt::publish(const char* topic, const char* payload, size_t length, bool retain) {
    ESPER_DEBUG("mqtt", "%s: %u bytes", topic, static_cast<unsigned>(length));
    return connected() && accepted(writer().publish(topic, payload, length, retain), topic);
}

bool Mqtt::accepted(size_t length, const char* topic) {
    const bool empty = queued == 0;
    if (written(length)) {
        return true;
    }
    if (empty) {
        ESPER_ERROR("mqtt", "too long, lost %s", topic);
    }
    return empty;
}

bool Mqtt::written(size_t length) {
    queued += length;
    send();
    return length > 0;
}

void Mqtt::send() {
    const size_t part = queued < Connection::MAX_SEND ? queued : Connection::MAX_SEND;
    if (sending == 0 && part > 0 && connection.send(queue, part)) {
        sending = part;
    }
}

void Mqtt::onSent() {
    queued -= sending;
    ets_memmove(queue, queue + sending, queued);
    sending = 0;
    send();
    if (connected()) {
        listener->onRoom();
    }
}

}  // namespace esper
