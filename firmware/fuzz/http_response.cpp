// The input is an HTTP response. It is read whole, and again byte by byte: how the network
// cuts it must make no difference.
#include <esper/HttpResponse.h>

#include "fuzz.h"

using namespace esper;

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
        if (response.state() != HttpResponse::State::HEAD &&
            response.state() != HttpResponse::State::BODY) {
            return;
        }
        PROMISE(used == length);
        data += length;
        size -= length;
    }
}

void respond(const char* text, size_t size, bool part) {
    Reading whole;
    whole.response.reset(part);
    read(whole, text, size, size);
    Reading bytes;
    bytes.response.reset(part);
    read(bytes, text, size, 1);

    const HttpResponse& response = whole.response;
    PROMISE(response.state() == bytes.response.state());
    PROMISE(whole.head == bytes.head && whole.body == bytes.body);
    if (response.state() == HttpResponse::State::REFUSED) {
        PROMISE(response.status() == bytes.response.status());
        PROMISE(response.status() != 200 && response.status() <= 999);
        PROMISE(response.status() / 100 != 1 && !(part && response.status() == 206));
    }
    if (response.state() == HttpResponse::State::BODY ||
        response.state() == HttpResponse::State::DONE) {
        PROMISE(response.status() == bytes.response.status());
        PROMISE(response.length() == bytes.response.length());
        PROMISE(response.status() == 200 || (part && response.status() == 206));
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
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    respond(reinterpret_cast<const char*>(data), size, false);
    respond(reinterpret_cast<const char*>(data), size, true);
    return 0;
}
