// The input's first byte says how the rest, a stream of packets, is cut; then the rest is
// what the device writes into packets of its own, which it must be able to read.
#include <esper/MqttPacket.h>

#include "fuzz.h"

using namespace esper;

namespace {

// A number for all packets of a stream: the same packets give the same number.
uint64_t digest(const uint8_t* data, size_t size, size_t piece) {
    static MqttParser parser;
    parser.reset();
    uint64_t sum = 14695981039346656037u;  // FNV-1a
    while (size > 0 && !parser.malformed()) {
        const size_t length = piece < size ? piece : size;
        const size_t taken = parser.feed(data, length);
        PROMISE(taken > 0 && taken <= length);
        PROMISE(taken == length || parser.complete() || parser.malformed());
        data += taken;
        size -= taken;
        if (!parser.complete()) {
            continue;
        }
        const MqttPacket packet = parser.packet();
        PROMISE(packet.length <= MqttParser::MAX_BODY);
        sum = (sum ^ packet.first ^ packet.length << 8) * 1099511628211u;
        for (size_t i = 0; i < packet.length; i++) {
            sum = (sum ^ packet.body[i]) * 1099511628211u;
        }
        MqttMessage message;
        if (message.parse(packet)) {
            const char* const body = reinterpret_cast<const char*>(packet.body);
            PROMISE(message.topicLength > 0);
            PROMISE(message.topic >= body);
            PROMISE(message.topic + message.topicLength == message.payload);
            PROMISE(message.payload + message.payloadLength == body + packet.length);
        }
    }
    return parser.malformed() ? 0 : sum;
}

// Reads a packet that was written; false if it is not just this one.
bool readBack(MqttParser& parser, const uint8_t* data, size_t size) {
    parser.reset();
    return parser.feed(data, size) == size && parser.complete();
}

void write(const char* text, const uint8_t* payload, size_t length) {
    static uint8_t buffer[3 + MqttParser::MAX_BODY];
    static MqttParser parser;
    MqttWriter writer(buffer, sizeof buffer);
    size_t size = writer.publish(text, reinterpret_cast<const char*>(payload), length, true);
    PROMISE(size <= sizeof buffer);
    if (size > 0 && text[0] != 0) {
        MqttMessage message;
        PROMISE(readBack(parser, buffer, size));
        PROMISE(message.parse(parser.packet()));
        PROMISE(message.topicLength == strlen(text));
        PROMISE(memcmp(message.topic, text, message.topicLength) == 0);
        PROMISE(message.payloadLength == length);
        PROMISE(length == 0 || memcmp(message.payload, payload, length) == 0);
    }
    size = writer.subscribe(1, text);
    PROMISE(size == 0 || readBack(parser, buffer, size));
    size = writer.connect({text, 60, text, "OFFLINE", text, text});
    PROMISE(size == 0 || readBack(parser, buffer, size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    const size_t piece = 1u + input.byte();
    const uint64_t whole = digest(input.rest(), input.size(), input.size());
    PROMISE(whole == digest(input.rest(), input.size(), piece));

    char text[256];
    size_t length = input.byte();
    length = input.take(text, length < sizeof text ? length : sizeof text - 1);
    text[length] = 0;
    write(text, input.rest(), input.size());
    return 0;
}
