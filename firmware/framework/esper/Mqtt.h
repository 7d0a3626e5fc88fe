#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Backoff.h"
#include "Connection.h"
#include "MqttPacket.h"
#include "Timer.h"

// A client of the configured MQTT broker that comes back by itself.
class Mqtt : private Connection::Listener {
  public:
    class Listener {
      public:
        virtual void onBrokerUp() = 0;
        virtual void onBrokerDown() = 0;
        virtual void onMessage(const MqttMessage& message) = 0;
    };

    explicit Mqtt(Listener* listener);

    // What the client is called, and its last will (retained). The texts must stay.
    void identify(const char* clientId, const char* willTopic, const char* willMessage);

    void start();  // when there is a network
    void stop();   // when there is none

    bool connected() const { return state == State::CONNECTED; }

    // False: not connected, or the queue is full; the message is dropped.
    bool subscribe(const char* topic);
    bool publish(const char* topic, const char* payload, size_t length, bool retain);

  private:
    enum class State : uint8_t { STOPPED, WAITING, CONNECTING, CONNECTED };

    // Room for all that a device says when it connects.
    static constexpr size_t QUEUE = 3072;

    void onOpen() override;
    void onData(const uint8_t* data, size_t length) override;
    void onSent() override;
    void onClosed() override;

    void onTimer();
    void onPacket(const MqttPacket& packet);
    void fail(const char* reason);
    MqttWriter writer() { return MqttWriter(queue + queued, QUEUE - queued); }
    bool written(size_t length);
    void send();

    Listener* const listener;
    const char* clientId = "";
    const char* willTopic = "";
    const char* willMessage = "";
    State state = State::STOPPED;
    uint8_t ticks = 0;
    bool waitingForPong = false;
    uint16_t packetId = 0;
    size_t queued = 0;
    size_t sending = 0;  // bytes at the start of the queue that are on their way
    Backoff backoff;
    Connection connection;
    Timer timer;
    MqttParser parser;
    uint8_t queue[QUEUE];
};
