#include <esper/MqttPacket.h>

#include <vector>

#include "check.h"

using namespace esper;

namespace {

// What a parser makes of a stream in pieces: the packets, and ! if it gives up.
std::string parse(const std::string& stream, const std::vector<size_t>& cuts = {}) {
    MqttParser parser;
    std::string packets;
    size_t begin = 0;
    for (size_t i = 0; i <= cuts.size(); i++) {
        const size_t end = i < cuts.size() ? cuts[i] : stream.size();
        const std::vector<uint8_t> piece(stream.begin() + static_cast<long>(begin),
                                         stream.begin() + static_cast<long>(end));
        begin = end;
        size_t done = 0;
        while (done < piece.size() && !parser.malformed()) {
            const size_t taken = parser.feed(piece.data() + done, piece.size() - done);
            CHECK(taken > 0 && taken <= piece.size() - done);
            done += taken;
            if (parser.complete()) {
                const MqttPacket packet = parser.packet();
                packets += std::to_string(packet.first) + ":" +
                           std::string(reinterpret_cast<const char*>(packet.body), packet.length) +
                           ";";
            }
        }
    }
    return parser.malformed() ? packets + "!" : packets;
}

std::string bytes(std::initializer_list<int> list) {
    std::string out;
    for (const int each : list) {
        out += static_cast<char>(each);
    }
    return out;
}

// A PUBLISH as a broker sends it.
std::string publish(const std::string& topic, const std::string& payload) {
    uint8_t buffer[2000];
    const size_t size = MqttWriter(buffer, sizeof(buffer))
                            .publish(topic.c_str(), payload.data(), payload.size(), false);
    CHECK(size > 0);
    return std::string(reinterpret_cast<char*>(buffer), size);
}

bool retained(uint8_t first) {
    const uint8_t body[] = {0, 1, 't'};
    MqttMessage message;
    CHECK(message.parse({first, body, sizeof(body)}));
    return message.retained;
}

bool parseMessage(uint8_t first, const std::string& body, std::string& topic,
                  std::string& payload) {
    const std::vector<uint8_t> copy(body.begin(), body.end());
    MqttMessage message;
    if (!message.parse({first, copy.data(), copy.size()})) {
        return false;
    }
    topic.assign(message.topic, message.topicLength);
    payload.assign(message.payload, message.payloadLength);
    return true;
}

}  // namespace

TEST(packets_are_cut_out_of_the_stream) {
    CHECK_EQUAL(parse(bytes({0x20, 2, 'a', 'b', 0xD0, 0, 0x30, 3, 'x', 'y', 'z'})),
                "32:ab;208:;48:xyz;");
}

TEST(pieces_of_any_size_give_the_same_packets) {
    const std::string stream = bytes({0x20, 2, 'a', 'b'}) +
                               publish("home/update", std::string(200, 'p')) +
                               publish("big", std::string(600, 'q')) + bytes({0xD0, 0});
    const std::string whole = parse(stream);
    CHECK(whole.find("208:;") != std::string::npos);
    for (size_t a = 0; a <= stream.size(); a++) {
        CHECK_EQUAL(parse(stream, {a}), whole);
        CHECK_EQUAL(parse(stream, {a, a + (stream.size() - a) / 3}), whole);
    }
    std::vector<size_t> everywhere;
    for (size_t i = 0; i < stream.size(); i++) {
        everywhere.push_back(i);
    }
    CHECK_EQUAL(parse(stream, everywhere), whole);
}

TEST(of_a_body_the_first_512_bytes_are_kept) {
    const std::string fits = publish("t", std::string(512 - 3, 'p'));
    const std::string tooLong = publish("t", std::string(1000, 'p'));
    CHECK_EQUAL(parse(tooLong), parse(fits));
    CHECK_EQUAL(parse(tooLong + bytes({0xD0, 0})), parse(fits) + "208:;");
}

TEST(the_longest_length_that_mqtt_allows_is_read_to_its_end) {
    // 268,435,455 bytes (MQTT 3.1.1, 2.2.3); a part of them is enough here.
    CHECK_EQUAL(parse(bytes({0x30, 0xFF, 0xFF, 0xFF, 0x7F}) + std::string(5000, 'x')), "");
}

TEST(a_length_of_five_bytes_is_malformed) {
    CHECK_EQUAL(parse(bytes({0x30, 0x80, 0x80, 0x80, 0x80, 0x01})), "!");
}

TEST(reserved_packet_types_are_malformed) {
    CHECK_EQUAL(parse(bytes({0x00, 0})), "!");
    CHECK_EQUAL(parse(bytes({0xF0, 0})), "!");
    CHECK_EQUAL(parse("\x0AHTTP/1.1 400 Bad Request"), "!");
}

TEST(a_message_has_topic_and_payload) {
    std::string topic, payload;
    CHECK(parseMessage(0x31, bytes({0, 3}) + "a/b" + "on", topic, payload));
    CHECK_EQUAL(topic, "a/b");
    CHECK_EQUAL(payload, "on");
    CHECK(parseMessage(0x30, bytes({0, 1}) + "a", topic, payload));
    CHECK_EQUAL(payload, "");
}

TEST(a_message_is_retained_when_the_flag_says_so) {
    CHECK(retained(0x31) && retained(0x39));
    CHECK(!retained(0x30) && !retained(0x38));
}

TEST(a_message_of_another_quality_of_service_is_refused) {
    std::string topic, payload;
    for (const uint8_t first : {0x32, 0x34, 0x36}) {
        CHECK(!parseMessage(first, bytes({0, 1}) + "a", topic, payload));
    }
}

TEST(a_message_whose_topic_is_missing_or_too_long_is_refused) {
    std::string topic, payload;
    for (const std::string& body : {std::string(), bytes({0}), bytes({0, 0}) + "x",
                                    bytes({0, 2}) + "a", bytes({0xFF, 0xFF}) + "abc"}) {
        CHECK(!parseMessage(0x30, body, topic, payload));
    }
}

TEST(connect_is_as_in_the_standard) {
    uint8_t buffer[100];
    size_t size = MqttWriter(buffer, sizeof(buffer)).connect({"id", 30, "w", "OFF", "", ""});
    const std::string without = bytes({0x10, 22, 0, 4}) + "MQTT" + bytes({4, 0x26, 0, 30, 0, 2}) +
                                "id" + bytes({0, 1}) + "w" + bytes({0, 3}) + "OFF";
    CHECK_EQUAL(std::string(reinterpret_cast<char*>(buffer), size), without);
    size = MqttWriter(buffer, sizeof(buffer)).connect({"id", 30, "w", "OFF", "me", "pw"});
    const std::string with = bytes({0x10, 30, 0, 4}) + "MQTT" + bytes({4, 0xE6, 0, 30, 0, 2}) +
                             "id" + bytes({0, 1}) + "w" + bytes({0, 3}) + "OFF" + bytes({0, 2}) +
                             "me" + bytes({0, 2}) + "pw";
    CHECK_EQUAL(std::string(reinterpret_cast<char*>(buffer), size), with);
}

TEST(subscribe_and_ping_are_as_in_the_standard) {
    uint8_t buffer[100];
    size_t size = MqttWriter(buffer, sizeof(buffer)).subscribe(258, "a/b");
    CHECK_EQUAL(std::string(reinterpret_cast<char*>(buffer), size),
                bytes({0x82, 8, 1, 2, 0, 3}) + "a/b" + bytes({0}));
    size = MqttWriter(buffer, sizeof(buffer)).ping();
    CHECK_EQUAL(std::string(reinterpret_cast<char*>(buffer), size), bytes({0xC0, 0}));
    size = MqttWriter(buffer, sizeof(buffer)).disconnect();
    CHECK_EQUAL(std::string(reinterpret_cast<char*>(buffer), size), bytes({0xE0, 0}));
}

TEST(what_is_written_is_read_again_at_every_length) {
    for (size_t length = 0; length <= 505; length++) {
        const std::string payload(length, 'p');
        std::string topic, found;
        const std::string stream = publish("topic", payload);
        const size_t header = stream.size() - 2 - 5 - length;
        CHECK(parseMessage(0x30, stream.substr(header), topic, found));
        CHECK_EQUAL(found, payload);
        CHECK_EQUAL(parse(stream).size(), 3 + 2 + 5 + length + 1);
    }
}

TEST(a_packet_that_does_not_fit_is_not_written) {
    for (size_t capacity = 0; capacity < 40; capacity++) {
        std::vector<uint8_t> buffer(capacity);  // its end is guarded by the sanitizer
        const size_t published =
            MqttWriter(buffer.data(), capacity).publish("topic", "payload", 7, true);
        CHECK_EQUAL(published, capacity < 16 ? 0u : 16u);
        const size_t subscribed = MqttWriter(buffer.data(), capacity).subscribe(1, "topic");
        CHECK_EQUAL(subscribed, capacity < 12 ? 0u : 12u);
        const size_t connected =
            MqttWriter(buffer.data(), capacity).connect({"i", 1, "w", "O", "u", "p"});
        CHECK_EQUAL(connected, capacity < 27 ? 0u : 27u);
        const size_t pinged = MqttWriter(buffer.data(), capacity).ping();
        CHECK_EQUAL(pinged, capacity < 2 ? 0u : 2u);
    }
}

TEST(mutated_streams_are_read_the_same_in_any_pieces) {
    Random random(2);
    for (int i = 0; i < 30000; i++) {
        std::string stream = bytes({0x20, 2, 0, 0}) + publish("home/00c0de/socket/set", "1") +
                             bytes({0xD0, 0}) +
                             publish("home/update", std::string(random.below(600), 'x'));
        random.mutate(stream);
        const size_t cut = random.below(static_cast<uint32_t>(stream.size()) + 1);
        CHECK_EQUAL(parse(stream, {cut}), parse(stream));
    }
}

TEST(random_messages_are_read_or_refused) {
    Random random(3);
    std::string topic, payload;
    for (int i = 0; i < 50000; i++) {
        std::string body = bytes({0, 5}) + "topic" + "payload";
        random.mutate(body);
        if (parseMessage(0x30, body, topic, payload)) {
            CHECK_EQUAL(topic.size() + payload.size() + 2, body.size());
        }
    }
}
