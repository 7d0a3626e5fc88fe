#pragma once

#include <stddef.h>
#include <stdint.h>

// Reads one HTTP/1.1 response (RFC 9112) as it arrives, in pieces of any size. Only what the
// update needs is accepted: a body of a length told in advance, without transfer coding.
class HttpResponse {
  public:
    static constexpr size_t MAX_HEAD = 2048;  // bytes, status line and headers

    enum class State : uint8_t {
        HEAD,       // reading status line and headers
        BODY,       // status and length are known; the body follows
        DONE,       // the whole body has been handed out
        MALFORMED,  // not HTTP, or without a length, or with a coding
    };

    void reset();

    // Takes bytes until the head is complete or the data is used up; returns how many. Body
    // bytes are not taken: the caller takes them from the data and tells with body().
    size_t head(const char* data, size_t length);

    // The next body bytes: how many of the given ones belong to the body.
    size_t body(size_t length);

    State state() const { return progress; }
    uint16_t status() const { return code; }  // valid from BODY on
    uint32_t length() const { return size; }  // bytes of the whole body; valid from BODY on
    uint32_t remaining() const { return left; }

  private:
    // Longer lines are read and counted, but only their beginning is kept: no header that
    // matters is longer.
    static constexpr size_t MAX_LINE = 64;

    void endOfLine();
    void statusLine();
    void header();
    bool is(const char* name, size_t nameLength) const;
    void contentLength(const char* value, size_t valueLength);
    void endOfHead();
    void fail() { progress = State::MALFORMED; }

    State progress = State::HEAD;
    bool firstLine = true;
    bool hasLength = false;
    bool returned = false;  // the last byte was a CR
    uint16_t code = 0;
    uint16_t headUsed = 0;
    uint16_t lineUsed = 0;  // may exceed MAX_LINE
    uint32_t size = 0;
    uint32_t left = 0;
    char line[MAX_LINE];
};
