// The input is an HTTP response. It is read whole, and again byte by byte: how the network
// cuts it must make no difference.
#include <esper/HttpResponse.h>

#include "fuzz.h"

namespace {

struct Reading {
    HttpResponse response;
    uint64_t head = 0;  // bytes
    uint64_t body = 0;
};

void read(Reading& reading, const char* data, size_t size, size_t piece) {
    HttpResponse& response = reading.response;
    while (size > 0) {
        const size_t length = piece < size ? piece : size;
        size_t used = 0;
        if (response.state() == HttpResponse::State::HEAD) {
            used = response.head(data, length);
            reading.head += used;
            PROMISE(used <= length);
            PROMISE(used == length || response.state() != HttpResponse::State::HEAD);
        }
        if (response.state() == HttpResponse::State::BODY) {
            const uint32_t before = response.remaining();
            const size_t body = response.body(length - used);
            PROMISE(body <= length - used && body <= before);
            PROMISE(response.remaining() == before - body);
            reading.body += body;
            used += body;
        }
        if (response.state() == HttpResponse::State::DONE ||
            response.state() == HttpResponse::State::MALFORMED) {
            return;
        }
        PROMISE(used == length);
        data += length;
        size -= length;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const char* const text = reinterpret_cast<const char*>(data);
    Reading whole;
    read(whole, text, size, size);
    Reading bytes;
    read(bytes, text, size, 1);

    const HttpResponse& response = whole.response;
    PROMISE(response.state() == bytes.response.state());
    PROMISE(whole.head == bytes.head && whole.body == bytes.body);
    PROMISE(whole.head <= HttpResponse::MAX_HEAD + 1);
    if (response.state() == HttpResponse::State::BODY ||
        response.state() == HttpResponse::State::DONE) {
        PROMISE(response.status() == bytes.response.status());
        PROMISE(response.length() == bytes.response.length());
        PROMISE(response.status() >= 100 && response.status() <= 599);
        PROMISE(whole.body + response.remaining() == response.length());
        PROMISE(response.from() == bytes.response.from());
        PROMISE(response.total() == bytes.response.total());
        if (response.status() == 206) {
            PROMISE(response.length() > 0 && response.length() <= response.total());
            PROMISE(response.from() <= response.total() - response.length());
        }
        PROMISE((response.remaining() == 0) == (response.state() == HttpResponse::State::DONE));
    }

    // It is sent back in a header.
    const char* const etag = response.etag();
    const size_t length = strlen(etag);
    PROMISE(strcmp(etag, bytes.response.etag()) == 0);
    PROMISE(length <= HttpResponse::MAX_ETAG);
    PROMISE(length == 0 || (length >= 2 && etag[0] == '"' && etag[length - 1] == '"'));
    for (size_t i = 0; i < length; i++) {
        PROMISE(etag[i] > ' ' && etag[i] <= '~');
        PROMISE(etag[i] != '"' || i == 0 || i + 1 == length);
    }
    return 0;
}
