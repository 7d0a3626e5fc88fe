// The input's first byte is the size of the buffer; the rest is text that a JSON text is to
// hold. What fits must be JSON, and what does not fit must not be written.
#include <esper/Json.h>

#include "fuzz.h"

using namespace esper;

namespace {

// A reader of the JSON that a device writes (RFC 8259), for checking it.
class Reader {
  public:
    explicit Reader(const char* text) : at(text) {}

    bool document() { return value() && *at == 0; }

  private:
    bool value() {
        switch (*at) {
            case '{':
                return members('}', true);
            case '[':
                return members(']', false);
            case '"':
                return string();
            case 't':
                return word("true");
            case 'f':
                return word("false");
            case 'n':
                return word("null");
            default:
                return number();
        }
    }

    bool members(char end, bool keys) {
        at++;
        if (*at == end) {
            at++;
            return true;
        }
        for (;;) {
            if (keys && (*at != '"' || !string() || *at++ != ':')) {
                return false;
            }
            if (!value()) {
                return false;
            }
            const char next = *at++;
            if (next == end) {
                return true;
            }
            if (next != ',') {
                return false;
            }
        }
    }

    bool string() {
        for (at++; *at != '"'; at++) {
            if (static_cast<uint8_t>(*at) < ' ') {
                return false;
            }
            if (*at != '\\') {
                continue;
            }
            at++;
            if (*at == 'u') {
                for (int i = 0; i < 4; i++) {
                    at++;
                    if (strchr("0123456789abcdef", *at) == nullptr || *at == 0) {
                        return false;
                    }
                }
            } else if (*at != '"' && *at != '\\') {
                return false;
            }
        }
        at++;
        return true;
    }

    bool word(const char* wanted) {
        const size_t length = strlen(wanted);
        const bool same = strncmp(at, wanted, length) == 0;
        at += same ? length : 0;
        return same;
    }

    bool number() {
        at += *at == '-';
        const char* const first = at;
        while (*at >= '0' && *at <= '9') {
            at++;
        }
        return at > first && (*first != '0' || at == first + 1);
    }

    const char* at;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    const size_t capacity = 1 + 2u * input.byte();
    const uint32_t number = input.word();
    uint8_t mac[6] = {};
    input.take(mac, sizeof mac);
    char text[256];
    text[input.take(text, sizeof text - 1)] = 0;

    char* const buffer = static_cast<char*>(malloc(capacity));  // its end is guarded
    Json json(buffer, capacity);
    json.object();
    json.string("ssid", text).mac("mac", mac).address("ip", number);
    json.array("slots").null().object().hex("id", number, 1 + number % 8).endObject().endArray();
    json.number("uptime", number).number("rssi", static_cast<int32_t>(number));
    json.flag("trial", (number & 1) != 0).object("empty").endObject();
    json.endObject();
    PROMISE(json.text() == buffer && json.length() == strlen(buffer));
    PROMISE(json.length() < capacity);
    PROMISE(!json.fits() || Reader(buffer).document());
    free(buffer);
    return 0;
}
