#include "Http.h"

#include "Configuration.h"
#include "Log.h"
#include "Settings.h"
#include "Text.h"

namespace esper {

static constexpr uint32_t MAX_SILENCE = 10;  // seconds

Http::Http() : connection(this), timer(bind<Http, &Http::onTick>, this) {}

void Http::get(Consumer* newConsumer, const char* name, const char* deviceId, uint32_t seconds,
               uint32_t from, const char* etag) {
    cancel();
    consumer = newConsumer;
    Text text(request, sizeof(request));
    const char* const host = Settings::text("update");
    const uint16_t port = Settings::port("update");
    text.add("GET ").add(Settings::text("update", 2)).add('/').add(name);
    text.add(" HTTP/1.1\r\nHost: ").add(host).add(':').number(uint32_t{port});
    text.add("\r\nX-Esper-Device: ").add(deviceId);
    text.add("\r\nX-Esper-Version: ").add(configuration.version);
    if (configuration.stored) {
        const Entries& record = Settings::record();
        text.add("\r\nX-Esper-Settings: ").number(record.number("sequence"));
        text.add(' ').number(record.number("device.sequence"));
    }
    if (from > 0) {
        text.add("\r\nRange: bytes=").number(from).add('-');
        if (etag[0] != 0) {
            text.add("\r\nIf-Range: ").add(etag);
        }
    }
    text.add("\r\nConnection: close\r\n\r\n");
    requestLength = text.length();

    ESPER_DEBUG("http", "%s from byte %u on", name, static_cast<unsigned>(from));
    response.reset(from > 0);
    active = true;
    held = false;
    silence = 0;
    left = seconds;
    timer.repeat(1000);
    connection.open(host, port);
}

void Http::cancel() {
    active = false;
    timer.stop();
    connection.close();
}

void Http::hold() {
    if (active && !held) {
        held = true;
        connection.hold();
    }
}

void Http::unhold() {
    if (active && held) {
        held = false;
        silence = 0;
        connection.unhold();
    }
}

void Http::onOpen() {
    connection.send(reinterpret_cast<uint8_t*>(request), requestLength);
}

void Http::onData(const uint8_t* data, size_t length) {
    silence = 0;
    if (response.state() == HttpResponse::State::HEAD) {
        const size_t taken = response.head(reinterpret_cast<const char*>(data), length);
        data += taken;
        length -= taken;
        switch (response.state()) {
            case HttpResponse::State::HEAD:
                return;
            case HttpResponse::State::MALFORMED:
                return end(UpdateError::MALFORMED_RESPONSE);
            case HttpResponse::State::REFUSED:
                return end(UpdateError::HTTP_STATUS);
            case HttpResponse::State::BODY:
            case HttpResponse::State::DONE:
                consumer->onBegin(response.from(), response.total());
        }
    }
    // The consumer may cancel at each call.
    if (active && length > 0) {
        const size_t taken = response.body(length);
        if (taken > 0) {
            consumer->onBody(data, taken);
        }
    }
    if (active && response.state() == HttpResponse::State::DONE) {
        end(UpdateError::NONE);
    }
}

void Http::onClosed() {
    end(UpdateError::UNREACHABLE);
}

void Http::onTick() {
    if (--left == 0 || (!held && ++silence >= MAX_SILENCE)) {
        end(UpdateError::UNREACHABLE);
    }
}

void Http::end(UpdateError error) {
    if (active) {
        cancel();
        consumer->onEnd(error);
    }
}

}  // namespace esper
