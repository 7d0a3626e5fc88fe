#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// The packets of MQTT 3.1.1 that the device needs: QoS 0, client side.

enum class MqttType : uint8_t {
    CONNECT = 1,
    CONNACK = 2,
    PUBLISH = 3,
    SUBSCRIBE = 8,
    SUBACK = 9,
    PINGREQ = 12,
    PINGRESP = 13,
    DISCONNECT = 14,
};

// A packet as it came: the first byte and the body behind the length.
struct MqttPacket {
    uint8_t first;
    const uint8_t* body;
    size_t length;

    MqttType type() const { return static_cast<MqttType>(first >> 4); }
};

struct MqttMessage {
    const char* topic;  // not 0-terminated
    size_t topicLength;
    const char* payload;
    size_t payloadLength;
    bool retained;  // kept by the broker from before the subscription (MQTT 3.1.1, 3.3.1.3)

    // False: not a well-formed PUBLISH of QoS 0.
    bool parse(const MqttPacket& packet);
};

// Cuts a stream of bytes into packets, however the stream is cut itself. Of a body only the
// first MAX_BODY bytes are kept: longer ones have a payload that nobody here reads to its end.
class MqttParser {
  public:
    static constexpr size_t MAX_BODY = 512;

    void reset() { *this = MqttParser(); }

    // Takes bytes until a packet is complete or the data is used up; returns how many.
    size_t feed(const uint8_t* data, size_t length);

    // A packet is there, until the next call of feed.
    bool complete() const { return stage == Stage::COMPLETE; }
    MqttPacket packet() const { return {first, body, size < MAX_BODY ? size : MAX_BODY}; }

    // The stream is no MQTT; nothing more is taken.
    bool malformed() const { return stage == Stage::MALFORMED; }

  private:
    enum class Stage : uint8_t { FIRST, LENGTH, BODY, COMPLETE, MALFORMED };

    void lengthByte(uint8_t byte);
    void endOfBody();

    Stage stage = Stage::FIRST;
    uint8_t first = 0;
    uint8_t shift = 0;
    uint32_t size = 0;
    uint32_t used = 0;
    uint8_t body[MAX_BODY];
};

// Writes packets into a buffer; each returns the size of the packet, 0 if it does not fit.
class MqttWriter {
  public:
    MqttWriter(uint8_t* buffer, size_t capacity) : buffer(buffer), capacity(capacity) {}

    struct Connect {
        const char* clientId;
        uint16_t keepAlive;  // seconds
        const char* willTopic;
        const char* willMessage;  // QoS 0, retained
        const char* user;         // empty: neither user nor password is sent
        const char* password;
    };
    size_t connect(const Connect& options);
    size_t subscribe(uint16_t id, const char* topic);
    size_t publish(const char* topic, const char* payload, size_t length, bool retain);
    size_t ping() { return empty(MqttType::PINGREQ); }
    size_t disconnect() { return empty(MqttType::DISCONNECT); }

  private:
    size_t empty(MqttType type);
    bool begin(uint8_t first, size_t size);
    void byte(uint8_t value) { buffer[used++] = value; }
    void number(size_t value);
    void string(const char* text);

    uint8_t* buffer;
    size_t capacity;
    size_t used = 0;
};

}  // namespace esper
