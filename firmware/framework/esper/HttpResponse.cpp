#include "HttpResponse.h"

#include <string.h>

namespace esper {

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
}

// RFC 9110, 5.6.2
bool isTokenCharacter(char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || isDigit(c) ||
           (c > ' ' && c < 0x7F && strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

// Takes a number of at most nine digits off the text.
bool takeNumber(const char*& text, size_t& length, uint32_t& out) {
    size_t digits = 0;
    out = 0;
    while (digits < length && isDigit(text[digits])) {
        if (digits == 9) {
            return false;
        }
        out = out * 10 + static_cast<uint32_t>(text[digits++] - '0');
    }
    text += digits;
    length -= digits;
    return digits > 0;
}

bool take(const char*& text, size_t& length, const char* expected) {
    const size_t size = strlen(expected);
    if (length < size || memcmp(text, expected, size) != 0) {
        return false;
    }
    text += size;
    length -= size;
    return true;
}

}  // namespace

void HttpResponse::reset(bool partWanted) {
    *this = HttpResponse();
    part = partWanted;
}

size_t HttpResponse::head(const char* data, size_t length) {
    size_t taken = 0;
    while (taken < length && progress == State::HEAD) {
        const char c = data[taken++];
        if (++headUsed > MAX_HEAD) {
            fail();
        } else if (c == '\n') {
            returned = false;
            endOfLine();
        } else if (returned || (static_cast<uint8_t>(c) < ' ' && c != '\t' && c != '\r')) {
            fail();  // a CR belongs before an LF; other control characters nowhere
        } else if (c == '\r') {
            returned = true;
        } else {
            if (lineUsed < MAX_LINE) {
                line[lineUsed] = c;
            }
            lineUsed++;
        }
    }
    return taken;
}

size_t HttpResponse::body(size_t length) {
    if (progress != State::BODY) {
        return 0;
    }
    const size_t taken = length < left ? length : left;
    left -= static_cast<uint32_t>(taken);
    if (left == 0) {
        progress = State::DONE;
    }
    return taken;
}

void HttpResponse::endOfLine() {
    if (firstLine) {
        statusLine();
        firstLine = false;
    } else if (lineUsed == 0) {
        endOfHead();
    } else if (code >= 200) {
        header();
    }
    lineUsed = 0;
}

// "HTTP/1.1 200 OK"; the reason may be missing. A number that is no status is told as it is.
void HttpResponse::statusLine() {
    if (lineUsed < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !isDigit(line[7]) || line[8] != ' ' ||
        !isDigit(line[9]) || !isDigit(line[10]) || !isDigit(line[11]) ||
        (lineUsed > 12 && line[12] != ' ')) {
        return fail();
    }
    code = static_cast<uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    const bool interim = code >= 100 && code < 200;
    if (!interim && code != 200 && !(part && code == 206)) {
        progress = State::REFUSED;
    }
}

void HttpResponse::header() {
    const size_t kept = lineUsed < MAX_LINE ? lineUsed : MAX_LINE;
    size_t name = 0;
    while (name < kept && isTokenCharacter(line[name])) {
        name++;
    }
    // Also refuses folded lines, which begin with a space, and a space before the colon. A
    // name that is longer than what is kept is none that matters.
    if (name == 0 || (name < kept && line[name] != ':') || (name == kept && kept == lineUsed)) {
        return fail();
    }
    if (is("transfer-encoding", name)) {
        return fail();
    }
    size_t begin = name + 1;
    size_t end = kept;
    while (begin < end && (line[begin] == ' ' || line[begin] == '\t')) {
        begin++;
    }
    while (end > begin && (line[end - 1] == ' ' || line[end - 1] == '\t')) {
        end--;
    }
    const bool cutOff = lineUsed > MAX_LINE;
    if (is("content-length", name)) {
        cutOff ? fail() : contentLength(line + begin, end - begin);
    } else if (is("content-range", name) && code == 206) {
        cutOff ? fail() : contentRange(line + begin, end - begin);
    } else if (is("etag", name) && !cutOff) {
        entityTag(line + begin, end - begin);
    }
}

bool HttpResponse::is(const char* name, size_t nameLength) const {
    if (strlen(name) != nameLength) {
        return false;
    }
    for (size_t i = 0; i < nameLength; i++) {
        if (lower(line[i]) != name[i]) {
            return false;
        }
    }
    return true;
}

void HttpResponse::contentLength(const char* value, size_t valueLength) {
    uint32_t number;
    if (!takeNumber(value, valueLength, number) || valueLength > 0 ||
        (hasLength && number != size)) {
        return fail();
    }
    hasLength = true;
    size = left = number;
}

// "bytes 100-199/300".
void HttpResponse::contentRange(const char* value, size_t valueLength) {
    if (hasRange || !take(value, valueLength, "bytes ") || !takeNumber(value, valueLength, first) ||
        !take(value, valueLength, "-") || !takeNumber(value, valueLength, last) ||
        !take(value, valueLength, "/") || !takeNumber(value, valueLength, whole) ||
        valueLength > 0 || first > last || last >= whole) {
        return fail();
    }
    hasRange = true;
}

// A weak one, W/"...", says nothing about single bytes.
void HttpResponse::entityTag(const char* value, size_t valueLength) {
    tag[0] = 0;
    if (valueLength < 2 || valueLength > MAX_ETAG || value[0] != '"' ||
        value[valueLength - 1] != '"') {
        return;
    }
    for (size_t i = 1; i + 1 < valueLength; i++) {
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '"') {
            return;
        }
    }
    memcpy(tag, value, valueLength);
    tag[valueLength] = 0;
}

// Without a length the body would end with the connection, and one that is cut short could
// not be told from a whole one.
void HttpResponse::endOfHead() {
    if (code < 200) {
        return reset(part);  // an interim response (RFC 9110, 15.2): the real one follows
    }
    if (!hasLength || (code == 206 && (!hasRange || size != last - first + 1))) {
        return fail();
    }
    progress = left == 0 ? State::DONE : State::BODY;
}

}  // namespace esper
