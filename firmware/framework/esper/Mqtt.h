#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Backoff.h"
#include "Connection.h"
#include "MqttPacket.h"
#include "Timer.h"

namespace esper {

// A client of the MQTT broker in the settings that comes back by itself.
class Mqtt : private Connection::Listener {
  public:
    class Listener {
      public:
        virtual void onBrokerUp() = 0;
        virtual void onBrokerDown() = 0;
        virtual void onMessage(const MqttMessage& message) = 0;
        virtual void onRoom() = 0;  // something of the queue has gone out
    };

    explicit Mqtt(Listener* listener);

    // What the client is called, and its last will (retained). The texts must stay.
    void identify(const char* clientId, const char* willTopic, const char* willMessage);

    void start();  // when there is a network
    void stop();   // when there is none

    bool connected() const { return state == State::CONNECTED; }

    // False: not connected, or the queue has no room for it now; onRoom says when to try again.
    // What would not even fit into an empty queue is logged and dropped.
    bool subscribe(const char* topic);
    bool publish(const char* topic, const char* payload, size_t length, bool retain);

    // Whether it is connected, all has gone out, and the broker has answered each subscription.
    bool idle() const { return connected() && queued == 0 && answered == packetId; }

    // Ends the session, so that no last will follows, when all has gone out: then the queue is
    // empty again, and the broker closes the connection.
    void disconnect() { written(writer().disconnect()); }
    bool empty() const { return queued == 0; }

    // Bytes that wait to be sent, at most. The largest packet fits, an info.
    static constexpr size_t QUEUE = 3072;

  private:
    enum class State : uint8_t { STOPPED, WAITING, CONNECTING, CONNECTED };

    void onOpen() override;
    void onData(const uint8_t* data, size_t length) override;
    void onSent() override;
    void onClosed() override;

    void login();
    void onTimer();
    void onPacket(const MqttPacket& packet);
    void fail(const char* reason);
    MqttWriter writer() { return MqttWriter(queue + queued, QUEUE - queued); }
    bool written(size_t length);
    bool accepted(size_t length, const char* topic);
    void send();

    Listener* const listener;
    const char* clientId = "";
    const char* willTopic = "";
    const char* willMessage = "";
    State state = State::STOPPED;
    uint8_t ticks = 0;
    bool waitingForPong = false;
    bool shared = false;  // log in as all devices do, though there is a password of its own
    uint16_t packetId = 0;
    uint16_t answered = 0;  // the last subscription that was
    size_t queued = 0;
    size_t sending = 0;  // bytes at the start of the queue that are on their way
    Backoff backoff;
    Connection connection;
    SystemTimer timer;
    MqttParser parser;
    uint8_t queue[QUEUE];
};

}  // namespace esper
