#pragma once

#include <stddef.h>
#include <stdint.h>

namespace esper {

// Reads one HTTP/1.1 response (RFC 9112) as it arrives, in pieces of any size. The status
// decides first: interim responses are skipped, and of one that is not wanted nothing but the
// status is read, whatever its body looks like. A wanted one must have a body of a length told
// in advance, without transfer coding.
class HttpResponse {
  public:
    static constexpr size_t MAX_HEAD = 2048;  // bytes, status line and headers of one response

    enum class State : uint8_t {
        HEAD,       // reading status line and headers
        BODY,       // status and lengths are known; the body follows
        DONE,       // the whole body has been handed out
        REFUSED,    // the status is not the wanted one; the rest is not read
        MALFORMED,  // not HTTP, or what was wanted without a length, or with a coding
    };

    // Begins a response that is to be 200 or, if a part was asked for, 206.
    void reset(bool part = false);

    // Takes bytes until the head is complete or the data is used up; returns how many. Body
    // bytes are not taken: the caller takes them from the data and tells with body().
    size_t head(const char* data, size_t length);

    // The next body bytes: how many of the given ones belong to the body.
    size_t body(size_t length);

    State state() const { return progress; }
    uint16_t status() const { return code; }  // valid from BODY on, and when REFUSED
    uint32_t length() const { return size; }  // bytes of the body; valid from BODY on

    // Of what the server has, this body begins here and that is the whole; with status 206
    // as its Content-Range says (RFC 9110, 14.4).
    uint32_t from() const { return first; }
    uint32_t total() const { return code == 206 ? whole : size; }

    // The strong ETag with its quotes (RFC 9110, 8.8.3); empty if there is none, or a long one.
    const char* etag() const { return tag; }
    static constexpr size_t MAX_ETAG = 72;

    uint32_t remaining() const { return left; }

  private:
    // Longer lines are read and counted, but only their beginning is kept: no header that
    // matters is longer.
    static constexpr size_t MAX_LINE = 96;

    void endOfLine();
    void statusLine();
    void header();
    bool is(const char* name, size_t nameLength) const;
    void contentLength(const char* value, size_t valueLength);
    void contentRange(const char* value, size_t valueLength);
    void entityTag(const char* value, size_t valueLength);
    void endOfHead();
    void fail() { progress = State::MALFORMED; }

    State progress = State::HEAD;
    bool part = false;
    bool firstLine = true;
    bool hasLength = false;
    bool hasRange = false;
    bool returned = false;  // the last byte was a CR
    uint16_t code = 0;
    uint16_t headUsed = 0;
    uint16_t lineUsed = 0;  // may exceed MAX_LINE
    uint32_t size = 0;
    uint32_t left = 0;
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t whole = 0;
    char tag[MAX_ETAG + 1] = "";
    char line[MAX_LINE];
};

}  // namespace esper
