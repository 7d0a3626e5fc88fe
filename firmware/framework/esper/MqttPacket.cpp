#include "MqttPacket.h"

#include <string.h>

namespace esper {

bool MqttMessage::parse(const MqttPacket& packet) {
    const uint8_t qos = (packet.first >> 1) & 3;
    if (packet.type() != MqttType::PUBLISH || qos != 0 || packet.length < 2) {
        return false;
    }
    topicLength = static_cast<size_t>(packet.body[0] << 8 | packet.body[1]);
    if (topicLength == 0 || topicLength > packet.length - 2) {
        return false;
    }
    topic = reinterpret_cast<const char*>(packet.body + 2);
    payload = topic + topicLength;
    payloadLength = packet.length - 2 - topicLength;
    retained = (packet.first & 1) != 0;
    return true;
}

size_t MqttParser::feed(const uint8_t* data, size_t length) {
    if (stage == Stage::COMPLETE) {
        reset();
    }
    size_t taken = 0;
    while (taken < length && stage != Stage::COMPLETE && stage != Stage::MALFORMED) {
        if (stage == Stage::FIRST) {
            first = data[taken++];
            // Types 0 and 15 are reserved (MQTT 3.1.1, 2.2.1).
            stage = first >> 4 == 0 || first >> 4 == 15 ? Stage::MALFORMED : Stage::LENGTH;
        } else if (stage == Stage::LENGTH) {
            lengthByte(data[taken++]);
        } else {
            size_t part = length - taken;
            if (part > size - used) {
                part = size - used;
            }
            if (used < MAX_BODY) {
                memcpy(body + used, data + taken, part < MAX_BODY - used ? part : MAX_BODY - used);
            }
            taken += part;
            used += static_cast<uint32_t>(part);
            endOfBody();
        }
    }
    return taken;
}

// MQTT 3.1.1, 2.2.3: seven bits in each of at most four bytes.
void MqttParser::lengthByte(uint8_t byte) {
    // cppcheck-suppress shiftTooManyBits ; after the fourth byte, shift 21, none is taken
    size |= static_cast<uint32_t>(byte & 0x7F) << shift;
    shift = static_cast<uint8_t>(shift + 7);
    if ((byte & 0x80) == 0) {
        stage = Stage::BODY;
        endOfBody();
    } else if (shift == 28) {
        stage = Stage::MALFORMED;
    }
}

void MqttParser::endOfBody() {
    if (used == size) {
        stage = Stage::COMPLETE;
    }
}

size_t MqttWriter::connect(const Connect& options) {
    const bool credentials = options.user[0] != 0;
    size_t size = 10 + 2 + strlen(options.clientId) + 2 + strlen(options.willTopic) + 2 +
                  strlen(options.willMessage);
    if (credentials) {
        size += 2 + strlen(options.user) + 2 + strlen(options.password);
    }
    if (!begin(static_cast<uint8_t>(MqttType::CONNECT) << 4, size)) {
        return 0;
    }
    string("MQTT");
    byte(4);  // protocol level of 3.1.1
    // Clean session, will, will retained; user name and password.
    byte(static_cast<uint8_t>(0x02 | 0x04 | 0x20 | (credentials ? 0xC0 : 0)));
    number(options.keepAlive);
    string(options.clientId);
    string(options.willTopic);
    string(options.willMessage);
    if (credentials) {
        string(options.user);
        string(options.password);
    }
    return used;
}

size_t MqttWriter::subscribe(uint16_t id, const char* topic) {
    if (!begin(static_cast<uint8_t>(MqttType::SUBSCRIBE) << 4 | 2, 2 + 2 + strlen(topic) + 1)) {
        return 0;
    }
    number(id);
    string(topic);
    byte(0);  // QoS
    return used;
}

size_t MqttWriter::publish(const char* topic, const char* payload, size_t length, bool retain) {
    const uint8_t first =
        static_cast<uint8_t>(static_cast<uint8_t>(MqttType::PUBLISH) << 4 | (retain ? 1 : 0));
    if (!begin(first, 2 + strlen(topic) + length)) {
        return 0;
    }
    string(topic);
    memcpy(buffer + used, payload, length);
    used += length;
    return used;
}

size_t MqttWriter::empty(MqttType type) {
    return begin(static_cast<uint8_t>(static_cast<uint8_t>(type) << 4), 0) ? used : 0;
}

bool MqttWriter::begin(uint8_t first, size_t size) {
    // Two bytes of length reach to 16383, far above any buffer here.
    const size_t header = size < 128 ? 2 : 3;
    if (size > 16383 || header + size > capacity) {
        return false;
    }
    used = 0;
    byte(first);
    if (size < 128) {
        byte(static_cast<uint8_t>(size));
    } else {
        byte(static_cast<uint8_t>(size & 0x7F) | 0x80);
        byte(static_cast<uint8_t>(size >> 7));
    }
    return true;
}

void MqttWriter::number(size_t value) {
    byte(static_cast<uint8_t>(value >> 8));
    byte(static_cast<uint8_t>(value));
}

void MqttWriter::string(const char* text) {
    const size_t length = strlen(text);
    number(length);
    memcpy(buffer + used, text, length);
    used += length;
}

}  // namespace esper
